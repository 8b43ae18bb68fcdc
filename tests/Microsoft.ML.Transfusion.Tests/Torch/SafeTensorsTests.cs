using System.Buffers.Binary;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Torch;

public sealed class SafeTensorsTests : IDisposable
{
    private static readonly ScalarType[] Types =
    [
        ScalarType.Float64, ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64, ScalarType.Int32,
        ScalarType.Int16, ScalarType.Int8, ScalarType.Byte, ScalarType.Bool, ScalarType.ComplexFloat32,
    ];

    private readonly SafeTensorsReaders _readers = new();

    public void Dispose() => _readers.Dispose();

    [Fact]
    public void Read_gives_back_every_type_and_shape()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(3);
        Dictionary<string, Tensor> tensors = [];
        foreach (ScalarType type in Types)
        {
            foreach (long[] shape in (long[][])[[], [1], [7], [2, 3, 5], [0], [4, 0, 2]])
                tensors.Add($"{type}[{string.Join(',', shape)}]", (randn(shape, generator: random) * 10).to(type));
        }
        tensors.Add("imaginary", complex(randn(3, 2, generator: random), randn(3, 2, generator: random)));
        tensors.Add("not finite", tensor(new[] { float.NaN, float.PositiveInfinity, -0f }).to(ScalarType.BFloat16));
        tensors.Add("transposed", randn(3, 5, generator: random).t());
        tensors.Add("part", randn(10, 4, generator: random)[TensorIndex.Slice(2, 9, 3)]);
        tensors.Add("repeated", randn(1, 4, generator: random).expand(3, 4));
        tensors.Add("naïve 🙂\n", ones(1));
        tensors.Add("parameter", new TorchSharp.Modules.Parameter(randn(4, generator: random)));

        using var stream = new MemoryStream();
        SafeTensors.Write(stream, tensors, new Dictionary<string, string> { ["epoch"] = "12", ["a"] = "ü" });
        stream.Position = 0;
        SafeTensors.Read(stream, out IReadOnlyDictionary<string, string> metadata);

        Assert.Equal(new Dictionary<string, string> { ["epoch"] = "12", ["a"] = "ü" }, metadata);
        foreach (Func<byte[], Dictionary<string, Tensor>> reader in _readers.All)
        {
            Dictionary<string, Tensor> read = reader(stream.ToArray());
            Assert.Equal(tensors.Keys.Order(), read.Keys.Order());
            foreach ((string name, Tensor tensor) in tensors)
            {
                Assert.Equal(tensor.dtype, read[name].dtype);
                Assert.Equal(tensor.shape, read[name].shape);
                Assert.Equal(Bytes(tensor), Bytes(read[name]));
            }
        }
    }

    [Fact]
    public void Read_takes_what_the_format_s_definition_allows()
    {
        // Two tensors in another order than their bytes, a member of the future, an empty tensor between them, and trailing spaces.
        byte[] file = SafeTensorsReaders.File("""
            {"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6],"note":[{}]},"__metadata__":{"x":"y"},
            "n":{"dtype":"F64","shape":[3,0],"data_offsets":[2,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}
            """ + "   ", 7, 9, 0, 0, 128, 63);
        using var scope = NewDisposeScope();
        foreach (Func<byte[], Dictionary<string, Tensor>> reader in _readers.All)
        {
            Dictionary<string, Tensor> read = reader(file);
            Assert.Equal([7, 9], read["a"].data<byte>().ToArray());
            Assert.Equal(1f, read["b"].item<float>());
            Assert.Equal([3, 0], read["n"].shape);
            Assert.Empty(reader(SafeTensorsReaders.File("{}")));
        }
    }

    [Fact]
    public void Read_and_Write_pass_chunk_borders()
    {
        using var scope = NewDisposeScope();
        Tensor large = arange(3 * (1L << 21) + 5, dtype: ScalarType.Int16);      // three chunks of 4 MB and a bit
        using var stream = new MemoryStream();
        SafeTensors.Write(stream, new Dictionary<string, Tensor> { ["large"] = large });
        foreach (Func<byte[], Dictionary<string, Tensor>> reader in (Func<byte[], Dictionary<string, Tensor>>[])[SafeTensorsReaders.ReadStream, _readers.ReadMapped])
            Assert.True(large.equal(reader(stream.ToArray())["large"]).all().ToBoolean());
        using var unmeasured = new BufferedStream(new ForwardOnlyStream(stream));
        stream.Position = 0;
        Assert.True(large.equal(SafeTensors.Read(unmeasured)["large"]).all().ToBoolean());
    }

    [Fact]
    public void Write_gives_more_bytes_of_one_tensor_than_a_span_can_show()
    {
        using var scope = NewDisposeScope();
        Tensor wide = ones(1, dtype: ScalarType.Int64).expand((1L << 28) + 5);       // 2 GB that take eight bytes
        using var stream = new CountingStream();
        SafeTensors.Write(stream, new Dictionary<string, Tensor> { ["wide"] = wide });
        Assert.InRange(stream.Length - 8 * wide.numel(), 8, 200);
    }

    [Fact]
    public void Write_gives_the_same_bytes_for_the_same_tensors()
    {
        using var scope = NewDisposeScope();
        Tensor first = ones(2), second = ones(3, dtype: ScalarType.Int64);
        using MemoryStream forwards = new(), backwards = new();
        SafeTensors.Write(forwards, new Dictionary<string, Tensor> { ["first"] = first, ["second"] = second });
        SafeTensors.Write(backwards, new Dictionary<string, Tensor> { ["second"] = second, ["first"] = first });
        Assert.Equal(forwards.ToArray(), backwards.ToArray());
        Assert.Equal(0, (8 + BinaryPrimitives.ReadInt64LittleEndian(forwards.ToArray())) % 8);
    }

    [Fact]
    public void Write_refuses_what_the_format_has_no_words_for()
    {
        using var scope = NewDisposeScope();
        void Write(string name, Tensor tensor) => SafeTensors.Write(Stream.Null, new Dictionary<string, Tensor> { [name] = tensor });
        Assert.Contains("'c'", Assert.Throws<ArgumentException>(() => Write("c", zeros(1, dtype: ScalarType.ComplexFloat64))).Message);
        Assert.Contains("__metadata__", Assert.Throws<ArgumentException>(() => Write("__metadata__", zeros(1))).Message);
    }

    private static byte[] Bytes(Tensor tensor)
    {
        List<byte> bytes = [];
        TensorBytes.ForEachChunk(tensor, chunk => bytes.AddRange(chunk));
        return [.. bytes];
    }

    private sealed class CountingStream : MemoryStream
    {
        private long _length;

        public override long Length => _length;

        public override void Write(ReadOnlySpan<byte> buffer) => _length += buffer.Length;
    }
}
