using System.Text;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Torch;

public sealed class SafeTensorsFileTests : IDisposable
{
    private const long Gigabyte = 1L << 30;

    private readonly TemporaryFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();

    private string FilePath => _folder.File("model.safetensors");

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Open_shows_what_is_inside_and_Read_copies_one_tensor()
    {
        Write(new Dictionary<string, Tensor> { ["a"] = arange(6, dtype: ScalarType.Float32).reshape(2, 3), ["b"] = ones(2, dtype: ScalarType.BFloat16) });
        Tensor first;
        using (SafeTensorsFile file = SafeTensorsFile.Open(FilePath))
        {
            Assert.Equal(["a", "b"], file.Names);
            Assert.Equal("pt", file.Metadata["format"]);
            Assert.True(file.TryGetEntry("b", out SafeTensorsEntry? entry));
            Assert.Equal((ScalarType.BFloat16, 4L), (entry.Type.Scalar, entry.Length));
            Assert.Equal([2L], entry.Shape);
            Assert.False(file.TryGetEntry("c", out _));
            Assert.Contains("'c'", Assert.Throws<KeyNotFoundException>(() => file.Read("c")).Message);
            first = file.Read("a");
            first.add_(1);
            TensorAssert.Close(arange(6, dtype: ScalarType.Float32).reshape(2, 3), file.Read("a"), 0);
        }
        TensorAssert.Close(arange(1, 7, dtype: ScalarType.Float32).reshape(2, 3), first, 0);           // a copy: it outlives the file
    }

    [Fact]
    public void Read_refuses_after_Dispose()
    {
        Write(new Dictionary<string, Tensor> { ["a"] = ones(1) });
        SafeTensorsFile file = SafeTensorsFile.Open(FilePath);
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Read("a"));
        File.Delete(FilePath);
    }

    [Fact]
    public void Open_lets_go_of_a_file_that_it_refuses()
    {
        File.WriteAllText(FilePath, "no such thing");
        Assert.Throws<FormatException>(() => SafeTensorsFile.Open(FilePath));
        using FileStream alone = new(FilePath, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        Assert.Throws<FileNotFoundException>(() => SafeTensorsFile.Open(_folder.File("nothing")));
    }

    [Fact]
    public void Read_leaves_no_other_tensor_behind()
    {
        Write(new Dictionary<string, Tensor> { ["a"] = ones(5, 3), ["b"] = ones(2, dtype: ScalarType.Bool) });
        using SafeTensorsFile file = SafeTensorsFile.Open(FilePath);
        LeakCheck.Holds(() =>
        {
            foreach (string name in file.Names)
                file.Read(name).Dispose();
        }, times: 3);
    }

    [Fact]
    public async Task Read_takes_several_threads()
    {
        Write(Enumerable.Range(0, 40).ToDictionary(i => $"{i}", i => full(1000, i)));
        using SafeTensorsFile file = SafeTensorsFile.Open(FilePath);
        await Parallel.ForAsync(0, 400, (i, _) =>
        {
            using Tensor tensor = file.Read($"{i % 40}");
            Assert.Equal(1000.0 * (i % 40), tensor.sum().ToDouble());
            return ValueTask.CompletedTask;
        });
    }

    [Fact]
    public void Read_finds_tensors_beyond_two_and_four_gigabytes()
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Dictionary<string, float> last = WriteSparse([("near", 4), ("hole", 5 * Gigabyte / 2), ("middle", 4), ("second hole", 2 * Gigabyte), ("far", 4)]);
        using SafeTensorsFile file = SafeTensorsFile.Open(FilePath);
        foreach (string name in (string[])["near", "middle", "far"])
            Assert.Equal(last[name], file.Read(name).item<float>());
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 24);
    }

    [Fact]
    [Trait("Category", "Slow")]
    public void Read_takes_one_tensor_of_more_than_two_gigabytes()
    {
        Dictionary<string, float> last = WriteSparse([("large", 2 * Gigabyte + 12)]);
        using (SafeTensorsFile file = SafeTensorsFile.Open(FilePath))
        using (Tensor large = file.Read("large"))
            Assert.Equal((last["large"], last["large"]), (large[^1].item<float>(), large.sum().item<float>()));
        using FileStream stream = File.OpenRead(FilePath);
        Assert.Equal(last["large"], SafeTensors.Read(stream)["large"][^1].item<float>());
    }

    private void Write(IReadOnlyDictionary<string, Tensor> tensors)
    {
        using FileStream stream = File.Create(FilePath);
        SafeTensors.Write(stream, tensors, new Dictionary<string, string> { ["format"] = "pt" });
    }

    /// <summary>Tensors of so many bytes, all zeros but for each one's last value, which is returned. Zeros are holes in the file.</summary>
    private Dictionary<string, float> WriteSparse((string Name, long Length)[] tensors)
    {
        var header = new StringBuilder();
        long end = 0;
        foreach ((string name, long length) in tensors)
        {
            header.Append(header.Length == 0 ? '{' : ',').Append($$"""
                "{{name}}":{"dtype":"F32","shape":[{{length / 4}}],"data_offsets":[{{end}},{{end += length}}]}
                """);
        }
        byte[] start = SafeTensorsReaders.File(header.Append('}').ToString());
        using FileStream stream = File.Create(FilePath);
        stream.Write(start);
        stream.SetLength(start.Length + end);
        Dictionary<string, float> last = [];
        foreach ((string name, long length) in tensors)
        {
            last.Add(name, last.Count + 0.5f);
            stream.Position = start.Length + tensors.Take(last.Count).Sum(tensor => tensor.Length) - 4;
            stream.Write(BitConverter.GetBytes(last[name]));
        }
        return last;
    }
}
