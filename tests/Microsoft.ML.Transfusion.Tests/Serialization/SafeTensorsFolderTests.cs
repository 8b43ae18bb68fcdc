using System.Text;
using System.Text.Json;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Tests.Torch;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Serialization;

public sealed class SafeTensorsFolderTests : IDisposable
{
    private const string First = "model-00001-of-00003.safetensors", Second = "model-00002-of-00003.safetensors", Third = "model-00003-of-00003.safetensors";

    private readonly TemporaryFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Dictionary<string, Tensor> _tensors;

    public SafeTensorsFolderTests() => _tensors = new()
    {
        ["d"] = ones(3, 4, dtype: ScalarType.BFloat16),                                   // 24 bytes
        ["a"] = arange(8, dtype: ScalarType.Float32),                                     // 32
        ["b"] = arange(20, dtype: ScalarType.Int64),                                      // 160: larger than a shard may be
        ["c"] = zeros(0),
    };

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    private string Index => _folder.File(SafeTensorsIndex.FileName);

    [Theory]
    [InlineData(1, new[] { "model-00001-of-00004.safetensors", "model-00002-of-00004.safetensors", "model-00003-of-00004.safetensors", "model-00004-of-00004.safetensors" })]
    [InlineData(100, new[] { First, Second, Third })]
    [InlineData(192, new[] { "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors" })]
    [InlineData(216, new[] { "model.safetensors" })]
    public void Write_shards_by_size_and_Open_reads_either_layout(long maxShardSize, string[] files)
    {
        SafeTensorsFolderWriter.Write(_folder.Path, _tensors, new Dictionary<string, string> { ["format"] = "pt" }, maxShardSize);

        Assert.Equal(files.Length == 1 ? files : [.. files, SafeTensorsIndex.FileName], Files());
        RequireSame(_tensors);
        using SafeTensorsFolder folder = SafeTensorsFolder.Open(_folder.Path);
        Assert.Equal("pt", folder.Metadata["format"]);
        Assert.False(folder.Contains("e"));
        Assert.Contains("'e'", Assert.Throws<KeyNotFoundException>(() => folder.Read("e")).Message);
        Assert.Contains("'e'", Assert.Throws<KeyNotFoundException>(() => folder["e"]).Message);
    }

    [Fact]
    public void Write_gives_the_index_that_other_readers_expect()
    {
        WriteThreeShards();
        Assert.True(JsonElement.DeepEquals(JsonElement.Parse($$"""
            {"metadata":{"total_size":216},"weight_map":{"a":"{{First}}","b":"{{Second}}","c":"{{Third}}","d":"{{Third}}"} }
            """), JsonElement.Parse(File.ReadAllBytes(Index))));
    }

    [Theory]
    [InlineData(1, 100)]
    [InlineData(100, 1)]
    [InlineData(100, 1000)]
    [InlineData(1000, 100)]
    [InlineData(100, 100)]
    public void Write_replaces_the_checkpoint_before_and_leaves_other_files_alone(long maxSizeBefore, long maxSize)
    {
        File.WriteAllText(_folder.File("config.json"), "{}");
        File.WriteAllText(_folder.File("adapter_model.safetensors"), "");
        SafeTensorsFolderWriter.Write(_folder.Path, _tensors, maxShardSize: maxSizeBefore);
        Dictionary<string, Tensor> other = _tensors.ToDictionary(pair => pair.Key, pair => pair.Value + 1);
        SafeTensorsFolderWriter.Write(_folder.Path, other, maxShardSize: maxSize);

        RequireSame(other);
        using var alone = new TemporaryFolder();
        SafeTensorsFolderWriter.Write(alone.Path, other, maxShardSize: maxSize);
        Assert.Equal(["adapter_model.safetensors", "config.json", .. Files(alone)], Files());
        Assert.All(Files(alone), file => Assert.Equal(File.ReadAllBytes(alone.File(file)), File.ReadAllBytes(_folder.File(file))));
    }

    [Fact]
    public void Write_keeps_the_checkpoint_before_when_a_tensor_cannot_be_written()
    {
        WriteThreeShards();
        string[] before = Files();
        Dictionary<string, Tensor> spoilt = new(_tensors) { ["z"] = zeros(100, dtype: ScalarType.ComplexFloat64) };
        Assert.Throws<ArgumentException>(() => SafeTensorsFolderWriter.Write(_folder.Path, spoilt, maxShardSize: 100));
        Assert.Equal(before, Files());
        RequireSame(_tensors);
    }

    [Fact]
    public void Open_takes_the_single_file_where_there_are_both()
    {
        WriteThreeShards();
        using (FileStream stream = File.Create(_folder.File(SafeTensorsFolder.SingleFile)))
            SafeTensors.Write(stream, new Dictionary<string, Tensor> { ["only"] = ones(1) });
        using SafeTensorsFolder folder = SafeTensorsFolder.Open(_folder.Path);
        Assert.Equal(["only"], folder.Names);
    }

    [Fact]
    public void Open_says_what_a_folder_lacks()
    {
        Assert.Contains("neither 'model.safetensors' nor", Assert.Throws<FileNotFoundException>(() => SafeTensorsFolder.Open(_folder.Path)).Message);
        WriteThreeShards();
        File.Delete(_folder.File(Second));
        Assert.Matches($"'b' in '{Second}', which is missing", Refusal());
    }

    [Fact]
    public void Open_refuses_an_index_that_does_not_agree_with_its_files()
    {
        WriteThreeShards();
        WriteIndex(("a", First), ("b", Second), ("c", Third), ("d", First));
        Assert.Matches($"'d' in '{First}', which does not hold it", Refusal());
        WriteIndex(("a", First), ("b", Second), ("c", Third));
        Assert.Matches($"'{Third}'.*holds tensor 'd', of which", Refusal());

        using (FileStream stream = File.Create(_folder.File(First)))
            SafeTensors.Write(stream, new Dictionary<string, Tensor> { ["a"] = ones(1), ["d"] = ones(1) });
        WriteIndex(("a", First), ("b", Second), ("c", Third), ("d", Third));
        Assert.Matches($"'d' is in two files.*'{Third}' and '{First}'", Refusal());
        File.WriteAllText(_folder.File(Third), "nonsense and more of it");
        Assert.Contains(Third, Refusal());
    }

    [Theory]
    [InlineData("../model-00001-of-00003.safetensors")]
    [InlineData("..\\\\model-00001-of-00003.safetensors")]
    [InlineData("/etc/model.safetensors")]
    [InlineData("C:model.safetensors")]
    [InlineData("inner/model.safetensors")]
    [InlineData("model-00001-of-00003.safetensors\\u0000")]
    [InlineData("..")]
    [InlineData(".safetensors")]
    [InlineData("pytorch_model.bin")]
    [InlineData("")]
    public void Open_refuses_a_file_name_that_could_leave_the_folder(string name)
    {
        WriteThreeShards();
        WriteIndex(("a", name), ("b", Second));
        Assert.Matches("'a' is in '.*'; a file beside the index", Refusal());
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("""{"weight_map":null}""")]
    [InlineData("""{"weight_map":[]}""")]
    [InlineData("""{"weight_map":{}}""")]
    [InlineData("""{"weight_map":{"a":1}}""")]
    [InlineData("""{"weight_map":{"a":null}}""")]
    [InlineData("""{"weight_map":{"a":"model-00001-of-00003.safetensors","a":"model-00001-of-00003.safetensors"}}""")]
    [InlineData("""{"weight_map":{"\ud800":"model-00001-of-00003.safetensors"}}""")]
    [InlineData("""{"weight_map":{"a":"model-00001-of-00003.safetensors"}} and more""")]
    public void Open_refuses_a_malformed_index(string json)
    {
        WriteThreeShards();
        File.WriteAllText(Index, json);
        Assert.Contains(SafeTensorsIndex.FileName, Refusal());
    }

    [Fact]
    public void Open_refuses_a_spoilt_index_cleanly_or_sees_the_same_tensors()
    {
        WriteThreeShards();
        byte[] sound = File.ReadAllBytes(Index);
        var random = new Random(3);
        for (int i = 0; i < 500; i++)
        {
            byte[] spoilt = [.. sound];
            for (int flips = random.Next(1, 4); flips > 0; flips--)
                spoilt[random.Next(spoilt.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(Index, random.Next(4) == 0 ? spoilt[..random.Next(spoilt.Length)] : spoilt);
            try
            {
                using SafeTensorsFolder folder = SafeTensorsFolder.Open(_folder.Path);
                Assert.Equal(_tensors.Keys.Order(), folder.Names);
            }
            catch (FormatException)
            {
            }
        }
    }

    private void WriteThreeShards() => SafeTensorsFolderWriter.Write(_folder.Path, _tensors, maxShardSize: 100);

    private void WriteIndex(params (string Tensor, string File)[] entries) =>
        File.WriteAllText(Index, $"{{\"weight_map\":{{{string.Join(',', entries.Select(entry => $"\"{entry.Tensor}\":\"{entry.File}\""))}}}}}");

    private string Refusal() => Assert.Throws<FormatException>(() => SafeTensorsFolder.Open(_folder.Path)).Message;

    private string[] Files(TemporaryFolder? folder = null) => [.. Directory.GetFiles((folder ?? _folder).Path).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    private void RequireSame(Dictionary<string, Tensor> expected)
    {
        using SafeTensorsFolder folder = SafeTensorsFolder.Open(_folder.Path);
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), folder.Names);
        foreach ((string name, Tensor tensor) in expected)
        {
            Assert.Equal(tensor.dtype, folder[name].Type.Scalar);
            Assert.Equal(tensor.shape, folder[name].Shape);
            Assert.True(tensor.equal(folder.Read(name)).all().ToBoolean(), name);
        }
    }
}
