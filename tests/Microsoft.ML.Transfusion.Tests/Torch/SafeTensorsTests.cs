using System.Buffers.Binary;
using System.Text;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Torch;

public class SafeTensorsTests
{
    private static readonly ScalarType[] Types =
    [
        ScalarType.Float64, ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64, ScalarType.Int32,
        ScalarType.Int16, ScalarType.Int8, ScalarType.Byte, ScalarType.Bool,
    ];

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
        tensors.Add("transposed", randn(3, 5, generator: random).t());
        tensors.Add("part", randn(10, 4, generator: random)[TensorIndex.Slice(2, 9, 3)]);
        tensors.Add("naïve 🙂\n", ones(1));
        tensors.Add("parameter", new TorchSharp.Modules.Parameter(randn(4, generator: random)));

        using var stream = new MemoryStream();
        SafeTensors.Write(stream, tensors, new Dictionary<string, string> { ["epoch"] = "12", ["a"] = "ü" });
        stream.Position = 0;
        Dictionary<string, Tensor> read = SafeTensors.Read(stream, out IReadOnlyDictionary<string, string> metadata);

        Assert.Equal(new Dictionary<string, string> { ["epoch"] = "12", ["a"] = "ü" }, metadata);
        Assert.Equal(tensors.Keys.Order(), read.Keys.Order());
        foreach ((string name, Tensor tensor) in tensors)
        {
            Assert.Equal(tensor.dtype, read[name].dtype);
            Assert.Equal(tensor.shape, read[name].shape);
            Assert.True(tensor.equal(read[name]).all().ToBoolean(), name);
        }
    }

    [Fact]
    public void Read_takes_what_the_format_s_definition_allows()
    {
        // Two tensors in another order than their bytes, and trailing spaces.
        using MemoryStream stream = File("""{"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]},"__metadata__":{"x":"y"},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}   """,
            [7, 9, 0, 0, 128, 63]);
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> read = SafeTensors.Read(stream);
        Assert.Equal([7, 9], read["a"].data<byte>().ToArray());
        Assert.Equal(1f, read["b"].item<float>());
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "'a'")]                       // too small for the shape
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}""", 8, "'a'")]                       // too large
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}}""", 4, "'a'")]     // 4 times it is 4, modulo 2⁶⁴
    [InlineData("""{"a":{"dtype":"U8","shape":[4294967296,4294967296,4294967296,4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "'a'")]                       // a hole before it
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}""", 6, "'b'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "'b'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}""", 0, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "a")]
    [InlineData("""{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}""", 1, "F8_E4M3")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}""", 4, "4000000000000")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 3, "3 bytes")]                   // truncated
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 5, "5 bytes")]                   // goes on
    [InlineData("""{"a":{"shape":[1],"data_offsets":[0,4]}}""", 4, "header")]
    [InlineData("""{"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}""", 4, "header")]
    [InlineData("""{"a":{"dtype":"F32","shape":null,"data_offsets":[0,4]}}""", 4, "header")]
    [InlineData("""{"a":{"dtype":null,"shape":[1],"data_offsets":[0,4]}}""", 4, "type")]
    [InlineData("""{"a":{"dtype":"F32","shape":[0.5],"data_offsets":[0,4]}}""", 4, "")]
    [InlineData("""{"__metadata__":null}""", 0, "header")]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "header")]
    [InlineData("""{"a":7}""", 0, "header")]
    [InlineData("[]", 0, "header")]
    [InlineData("{", 0, "header")]
    public void Read_refuses_a_header_that_breaks_the_rules(string header, int dataLength, string named)
    {
        using MemoryStream stream = File(header, new byte[dataLength]);
        Assert.Contains(named, Assert.Throws<FormatException>(() => SafeTensors.Read(stream)).Message);
    }

    [Fact]
    public void Read_refuses_truncated_and_foreign_bytes_from_streams_without_length()
    {
        using MemoryStream whole = File("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", new byte[8]);
        for (int length = 0; length < whole.Length; length++)
        {
            using var stream = new ForwardOnlyStream(new MemoryStream(whole.ToArray(), 0, length));
            Assert.Throws<FormatException>(() => SafeTensors.Read(stream));
        }
        using var longer = new ForwardOnlyStream(new MemoryStream([.. whole.ToArray(), 1]));
        Assert.Throws<FormatException>(() => SafeTensors.Read(longer));
        using var text = new MemoryStream(Encoding.UTF8.GetBytes("This is no such file at all."));
        Assert.Contains("not a safetensors file", Assert.Throws<FormatException>(() => SafeTensors.Read(text)).Message);
    }

    [Fact]
    public void Read_and_Write_pass_chunk_borders()
    {
        using var scope = NewDisposeScope();
        Tensor large = arange(3 * (1L << 23) + 5, dtype: ScalarType.Int16);      // three chunks of 16 MB and a bit
        using var stream = new MemoryStream();
        SafeTensors.Write(stream, new Dictionary<string, Tensor> { ["large"] = large });
        stream.Position = 0;
        Assert.True(large.equal(SafeTensors.Read(stream)["large"]).all().ToBoolean());
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
        Assert.Throws<ArgumentException>(() => SafeTensors.Write(Stream.Null, new Dictionary<string, Tensor> { ["c"] = zeros(1, dtype: ScalarType.ComplexFloat32) }));
    }

    [Fact]
    public void Read_leaves_no_tensor_behind_when_it_fails()
    {
        using MemoryStream whole = File("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", new byte[12]);
        using var stream = new ForwardOnlyStream(whole);
        using var scope = NewDisposeScope();
        Assert.Throws<FormatException>(() => SafeTensors.Read(stream));
        Assert.Equal(0, scope.DisposablesCount);
    }

    private static MemoryStream File(string header, byte[] data)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        byte[] length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
        return new MemoryStream([.. length, .. json, .. data]);
    }
}
