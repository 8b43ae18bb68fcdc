// Reads and writes the safetensors format, which PyTorch, JAX and others exchange weights in: 8 bytes of header length, a JSON header, and
// the tensors' bytes one after the other, little-endian and row-major. Streams only; SafeTensorsFile reads single tensors of a file.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

internal static class SafeTensors
{
    /// <summary>Writes tensors of any device and layout. The same tensors give the same bytes.</summary>
    /// <exception cref="ArgumentException">The format has no name for a tensor's type, or a tensor has the name of the metadata.</exception>
    public static void Write(Stream stream, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(tensors);
        SafeTensorsHeader header = SafeTensorsHeader.Of(tensors, metadata);
        header.Write(stream);
        foreach (SafeTensorsEntry entry in header.Entries)
            TensorBytes.ForEachChunk(tensors[entry.Name], bytes => stream.Write(bytes));
    }

    /// <inheritdoc cref="Read(Stream, out IReadOnlyDictionary{string, string}, long?)"/>
    public static Dictionary<string, Tensor> Read(Stream stream, long? length = null) => Read(stream, out _, length);

    /// <summary>Reads tensors onto the CPU. They belong to the dispose scope around the call, or to the caller where there is none.</summary>
    /// <param name="stream">Read to its end and left open.</param>
    /// <param name="metadata">The strings that the file carries beside the tensors.</param>
    /// <param name="length">Bytes left in the stream, if it cannot say so itself; a file that claims more is refused before memory is taken.</param>
    /// <exception cref="FormatException">The bytes are no safetensors file, end early or go on, or a tensor is of a type that TorchSharp lacks.</exception>
    public static Dictionary<string, Tensor> Read(Stream stream, out IReadOnlyDictionary<string, string> metadata, long? length = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using var scope = NewDisposeScope();
        length ??= stream.CanSeek ? stream.Length - stream.Position : null;
        string source = stream is FileStream file ? SourceOf(file.Name) : "The safetensors stream";
        try
        {
            SafeTensorsHeader header = SafeTensorsHeader.Read(stream, length, source);
            foreach (SafeTensorsEntry entry in header.Entries)
                entry.RequireScalar(source);
            Dictionary<string, Tensor> tensors = header.Entries.ToDictionary(
                entry => entry.Name, entry => ReadTensor(entry, stream.ReadExactly, source, trusted: length is not null), StringComparer.Ordinal);
            if (stream.ReadByte() >= 0)
                throw new FormatException($"{source} goes on after its last tensor.");
            foreach (Tensor tensor in tensors.Values)
                tensor.MoveToOuterDisposeScope();
            metadata = header.Metadata;
            return tensors;
        }
        catch (EndOfStreamException exception)
        {
            throw new FormatException($"{source} is truncated.", exception);
        }
    }

    /// <summary>What errors call a file, at the head of a sentence.</summary>
    internal static string SourceOf(string path) => $"The safetensors file '{path}'";

    /// <param name="trusted">Whether the header's sizes were checked against the length of the file.</param>
    internal static Tensor ReadTensor(SafeTensorsEntry entry, TensorBytes.ChunkAction fill, string source, bool trusted)
    {
        ScalarType type = entry.RequireScalar(source);
        void Fill(Span<byte> bytes)
        {
            fill(bytes);
            if (type == ScalarType.Bool && bytes.ContainsAnyExceptInRange((byte)0, (byte)1))   // libtorch would take it for more than one
                throw new FormatException($"{source} is malformed: tensor '{entry.Name}' of type {entry.Type.Name} holds a byte that is neither 0 nor 1.");
        }
        return trusted ? TensorBytes.Read(entry.Shape, type, Fill) : TensorBytes.ReadUntrusted(entry.Shape, type, Fill);
    }
}
