// Ten thousand spoilt files: each is read right or refused with a clean error, by every reader alike, in memory no larger than the file.
// They keep the garbage collector busy, and in the formulas of other tests TorchSharp's Scalar may be finalized while native code still reads it
// (see Torch/Arithmetic.cs): so no test runs beside.
using System.Buffers.Binary;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Torch;

[CollectionDefinition(nameof(SafeTensorsFuzzTests), DisableParallelization = true)]
[Collection(nameof(SafeTensorsFuzzTests))]
public sealed class SafeTensorsFuzzTests(ITestOutputHelper output) : IDisposable
{
    private const int Files = 10_000;

    // Managed memory that a read may take beyond the length of the file: dictionaries, handles, tensor wrappers, an exception and its message.
    private const int Slack = 1 << 16;

    private readonly SafeTensorsReaders _readers = new();

    private long _mostBeyond;

    public void Dispose() => _readers.Dispose();

    [Fact]
    public void Read_is_right_or_refuses_cleanly_whatever_the_file()
    {
        (byte[] header, byte[] data) = Sound();
        var mutator = new SafeTensorsMutator(header, data, new Random(20240822));
        var clock = Stopwatch.StartNew();
        TimeSpan processor = Environment.CpuUsage.TotalTime;
        int readRight = 0;
        for (int i = 0; i < Files; i++)
        {
            using var scope = NewDisposeScope();
            byte[] file = mutator.Next();
            string what = $"file {i}";
            File.WriteAllBytes(_readers.FilePath, file);
            Dictionary<string, Tensor>? streamed = Read(() => SafeTensorsReaders.ReadStream(file), file, what);
            Dictionary<string, Tensor>? forward = Read(() => SafeTensorsReaders.ReadForward(file), file, what);
            Dictionary<string, Tensor>? mapped = Read(_readers.ReadMappedFile, file, what);
            Assert.True(streamed is null == mapped is null && streamed is null == forward is null, $"{what}: the readers do not agree.");
            readRight += streamed is null ? 0 : 1;
        }
        output.WriteLine($"{Files} files, {readRight} read right and {Files - readRight} refused by three readers, in {clock.Elapsed.TotalSeconds:f1} s, "
            + $"{(Environment.CpuUsage.TotalTime - processor).TotalSeconds:f1} s of them on a processor; at most {_mostBeyond} managed bytes beyond the length of the file.");
        Assert.InRange(readRight, Files / 50, Files / 2);
    }

    /// <summary>What the file holds, checked; null where it was refused.</summary>
    private Dictionary<string, Tensor>? Read(Func<Dictionary<string, Tensor>> read, byte[] file, string what)
    {
        long before = GC.GetAllocatedBytesForCurrentThread(), beyond;
        Dictionary<string, Tensor>? tensors = null;
        try
        {
            tensors = read();
        }
        catch (FormatException)
        {
        }
        beyond = GC.GetAllocatedBytesForCurrentThread() - before - file.Length;
        _mostBeyond = Math.Max(_mostBeyond, beyond);
        Assert.True(beyond <= Slack, $"{what} of {file.Length} bytes took {beyond} more.");
        if (tensors is not null)
            RequireRight(tensors, file, what);
        return tensors;
    }

    /// <summary>Compares with the file as another parser of JSON sees it.</summary>
    private static void RequireRight(Dictionary<string, Tensor> tensors, byte[] file, string what)
    {
        int start = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        using JsonDocument header = JsonDocument.Parse(file.AsMemory(8, start - 8), new JsonDocumentOptions { AllowDuplicateProperties = false });
        JsonProperty[] entries = [.. header.RootElement.EnumerateObject().Where(entry => entry.Name != "__metadata__")];
        Assert.Equal(entries.Select(entry => entry.Name).Order(StringComparer.Ordinal), tensors.Keys.Order(StringComparer.Ordinal));
        long total = 0;
        foreach (JsonProperty entry in entries)
        {
            Tensor tensor = tensors[entry.Name];
            int[] offsets = [.. entry.Value.GetProperty("data_offsets").EnumerateArray().Select(number => number.GetInt32())];
            Assert.Equal(entry.Value.GetProperty("shape").EnumerateArray().Select(number => number.GetInt64()), tensor.shape);
            Assert.Equal(entry.Value.GetProperty("dtype").GetString(), SafeTensorsType.Of(tensor.dtype)!.Name);
            List<byte> bytes = [];
            TensorBytes.ForEachChunk(tensor, chunk => bytes.AddRange(chunk));
            Assert.True(bytes.SequenceEqual(file[(start + offsets[0])..(start + offsets[1])]), $"{what}: the bytes of {entry.Name}");
            total += bytes.Count;
        }
        Assert.Equal(file.Length - start, total);
    }

    private static (byte[] Header, byte[] Data) Sound()
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors = new()
        {
            ["embed"] = arange(24, dtype: ScalarType.Float32).reshape(6, 4),
            ["weight"] = arange(12, dtype: ScalarType.BFloat16).reshape(3, 4),
            ["half"] = arange(4, dtype: ScalarType.Float16),
            ["count"] = tensor(7L),
            ["mask"] = tensor(new[] { true, false, true }),
            ["bytes"] = arange(5, dtype: ScalarType.Byte),
            ["none"] = zeros(0, 3),
            ["wave"] = complex(ones(2), zeros(2)),
        };
        using var stream = new MemoryStream();
        SafeTensors.Write(stream, tensors, new Dictionary<string, string> { ["format"] = "pt", ["step"] = "12" });
        byte[] file = stream.ToArray();
        int start = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        return (file[8..start], file[start..]);
    }
}
