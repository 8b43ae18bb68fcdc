// The ways to read safetensors, which must agree on every file: a stream of known length, one of unknown length, and a mapped file.
using System.Buffers.Binary;
using System.Text;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Torch;

internal sealed class SafeTensorsReaders : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public string FilePath => _folder.File("some.safetensors");

    public static byte[] File(string header, params ReadOnlySpan<byte> data) => File(Encoding.UTF8.GetBytes(header), data);

    public static byte[] File(ReadOnlySpan<byte> header, ReadOnlySpan<byte> data)
    {
        byte[] length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        return [.. length, .. header, .. data];
    }

    public IEnumerable<Func<byte[], Dictionary<string, Tensor>>> All => [ReadStream, ReadForward, ReadMapped];

    public static Dictionary<string, Tensor> ReadStream(byte[] file) => SafeTensors.Read(new MemoryStream(file, writable: false));

    public static Dictionary<string, Tensor> ReadForward(byte[] file) => SafeTensors.Read(new ForwardOnlyStream(new MemoryStream(file, writable: false)));

    public Dictionary<string, Tensor> ReadMapped(byte[] file)
    {
        System.IO.File.WriteAllBytes(FilePath, file);
        return ReadMappedFile();
    }

    public Dictionary<string, Tensor> ReadMappedFile()
    {
        using SafeTensorsFile mapped = SafeTensorsFile.Open(FilePath);
        return mapped.Names.ToDictionary(name => name, mapped.Read, StringComparer.Ordinal);
    }

    public void Dispose() => _folder.Dispose();
}
