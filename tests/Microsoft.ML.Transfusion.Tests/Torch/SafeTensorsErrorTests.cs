// What safetensors readers must refuse, and in which words.
using System.Text;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Torch;

public sealed class SafeTensorsErrorTests : IDisposable
{
    private readonly SafeTensorsReaders _readers = new();

    public void Dispose() => _readers.Dispose();

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "'a'")]                       // too small for the shape
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}""", 8, "'a'")]                       // too large
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}}""", 4, "'a'")]     // 4 times it is 4, modulo 2⁶⁴
    [InlineData("""{"a":{"dtype":"F32","shape":[18446744073709551617],"data_offsets":[0,4]}}""", 4, "'a'")]    // 1, modulo 2⁶⁴
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,4]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4294967296,4294967296,4294967296,4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "'a'")]
    [InlineData("""{"a":{"dtype":"U8","shape":[0,4611686018427387904,4611686018427387904],"data_offsets":[0,0]}}""", 0, "'a'")]   // its strides overflow
    [InlineData("""{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}""", 1, "'a'")]                        // twelve bits
    [InlineData("""{"a":{"dtype":"F8_E5M2","shape":[3],"data_offsets":[0,4]}}""", 4, "'a'")]                   // no type of ours, but of a known size
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "'a'")]                       // a hole before it
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}""", 3, "'b'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}""", 6, "'b'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "'b'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[0],"data_offsets":[2,2]}}""", 4, "'b'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}""", 0, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "'a' twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "'a' twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}""", 4, "'shape' twice")]
    [InlineData("""{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "'dtype' twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]}}""", 4, "'data_offsets' twice")]
    [InlineData("""{"__metadata__":{"a":"1"},"__metadata__":{"a":"1"}}""", 0, "'__metadata__' twice")]
    [InlineData("""{"__metadata__":{"a":"1","a":"1"}}""", 0, "'a' twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 3, "'a'")]                       // truncated
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 5, "")]                          // goes on
    [InlineData("""{"a":{"shape":[1],"data_offsets":[0,4]}}""", 4, "'a' lacks dtype")]
    [InlineData("""{"a":{"dtype":"F32","data_offsets":[0,4]}}""", 4, "'a' lacks shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1]}}""", 4, "'a' lacks data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":null,"data_offsets":[0,4]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[0.5],"data_offsets":[0,4]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":null,"shape":[1],"data_offsets":[0,4]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":["F32"],"shape":[1],"data_offsets":[0,4]}}""", 4, "'a'")]
    [InlineData("""{"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}""", -1, "'a'")]                     // a byte of 2
    [InlineData("""{"a":7}""", 0, "'a'")]
    [InlineData("""{"__metadata__":null}""", 0, "__metadata__")]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "'a'")]
    [InlineData("""{"__metadata__":{"a":null}}""", 0, "'a'")]
    [InlineData("""{"__metadata__":{"a":{"b":"c"}}}""", 0, "'a'")]
    [InlineData(" {}", 0, "begin with '{'")]
    [InlineData("[]", 0, "begin with '{'")]
    [InlineData("", 0, "begin with '{'")]
    [InlineData("{", 0, "not JSON")]
    [InlineData("{}x", 0, "not JSON")]
    [InlineData("{}{}", 0, "not JSON")]
    [InlineData("{/**/}", 0, "not JSON")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},}""", 4, "not JSON")]
    [InlineData("""{"\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "not JSON")]             // half a surrogate pair
    public void Read_refuses_a_header_that_breaks_the_rules(string header, int dataLength, string named)
    {
        byte[] file = SafeTensorsReaders.File(header, dataLength < 0 ? [2] : new byte[dataLength]);
        Assert.Contains(named, Assert.Throws<FormatException>(() => SafeTensorsReaders.ReadStream(file)).Message);
        string message = Assert.Throws<FormatException>(() => _readers.ReadMapped(file)).Message;
        Assert.Contains(named, message);
        Assert.Contains(_readers.FilePath, message);
        Assert.Throws<FormatException>(() => SafeTensorsReaders.ReadForward(file));
    }

    [Theory]
    [InlineData("F8_E4M3", 8)]
    [InlineData("F4", 4)]
    [InlineData("U32", 32)]
    [InlineData("U64", 64)]
    [InlineData("X12", 24)]                                        // a type of the future
    public void Read_refuses_a_type_that_TorchSharp_lacks_but_a_file_still_gives_the_other_tensors(string type, int bits)
    {
        using var scope = NewDisposeScope();
        int length = 2 * bits / 8;
        byte[] file = SafeTensorsReaders.File($$$"""
            {"odd":{"dtype":"{{{type}}}","shape":[2],"data_offsets":[0,{{{length}}}]},
            "plain":{"dtype":"U8","shape":[1],"data_offsets":[{{{length}}},{{{length + 1}}}]}}
            """, [.. new byte[length], 7]);
        Assert.Matches($"'odd' as {type};.*U8", Assert.Throws<FormatException>(() => SafeTensorsReaders.ReadStream(file)).Message);

        File.WriteAllBytes(_readers.FilePath, file);
        using SafeTensorsFile mapped = SafeTensorsFile.Open(_readers.FilePath);
        Assert.Equal(["odd", "plain"], mapped.Names);
        Assert.Equal(type, mapped.Entries[0].Type.Name);
        Assert.Equal(7, mapped.Read("plain").item<byte>());
        Assert.Matches($"some.safetensors.*'odd' as {type};.*U8", Assert.Throws<FormatException>(() => mapped.Read("odd")).Message);
    }

    [Fact]
    public void Read_refuses_bytes_that_are_no_text_deep_nesting_and_too_many_dimensions()
    {
        byte[] latin = [.. "{\""u8, 0xE9, .. "\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}"u8];
        string nested = $$$"""{"a":{"dtype":"U8","x":{{{new string('[', 100_000)}}},"shape":[],"data_offsets":[0,1]}}""";
        string manyOnes = $$$"""{"a":{"dtype":"U8","shape":[{{{string.Join(',', Enumerable.Repeat(1, 65))}}}],"data_offsets":[0,1]}}""";
        byte[][] files = [SafeTensorsReaders.File(latin, [1]), SafeTensorsReaders.File(nested, 1), SafeTensorsReaders.File(manyOnes, 1)];

        Assert.All(files, file => Assert.All(_readers.All, reader => Assert.Throws<FormatException>(() => reader(file))));
    }

    [Fact]
    public void Read_refuses_truncated_longer_and_foreign_bytes()
    {
        byte[] whole = SafeTensorsReaders.File("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", new byte[8]);
        foreach (Func<byte[], Dictionary<string, Tensor>> reader in _readers.All)
        {
            for (int length = 0; length < whole.Length; length++)
                Assert.Throws<FormatException>(() => reader(whole[..length]));
            Assert.Throws<FormatException>(() => reader([.. whole, 1]));
            Assert.Contains("not of that format", Assert.Throws<FormatException>(() => reader(Encoding.UTF8.GetBytes("This is no such file at all."))).Message);
        }
    }

    [Fact]
    public void Read_takes_memory_only_for_bytes_that_came()
    {
        byte[] tensor = SafeTensorsReaders.File("""{"a":{"dtype":"F32","shape":[1000000000000000],"data_offsets":[0,4000000000000000]}}""", 1, 2);
        byte[] header = [.. BitConverter.GetBytes(99_999_999L), .. "{\"a\":"u8];
        foreach (byte[] file in (byte[][])[tensor, header])
        {
            foreach (Func<byte[], Dictionary<string, Tensor>> reader in _readers.All)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                Assert.Throws<FormatException>(() => reader(file));
                Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 18);
            }
        }
    }

    [Fact]
    public void Read_leaves_no_tensor_behind_when_it_fails()
    {
        using var whole = new MemoryStream(SafeTensorsReaders.File("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", new byte[12]));
        using var stream = new ForwardOnlyStream(whole);
        using var scope = NewDisposeScope();
        Assert.Throws<FormatException>(() => SafeTensors.Read(stream));
        Assert.Equal(0, scope.DisposablesCount);
    }
}
