// Reads and writes the safetensors format, which PyTorch, JAX and others exchange weights in: 8 bytes of header length, a JSON header, and
// the tensors' bytes one after the other, little-endian and row-major. Streams only; nothing larger than a chunk is buffered.
using System.Buffers.Binary;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

internal static class SafeTensors
{
    private const int ChunkLength = 1 << 24;                       // bytes; a span cannot show more than 2 GB of a tensor at once

    /// <summary>Writes tensors of any device and layout. The same tensors give the same bytes.</summary>
    public static void Write(Stream stream, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(tensors);
        SafeTensorsHeader header = SafeTensorsHeader.Of(tensors, metadata);
        byte[] json = header.ToJson();
        Span<byte> prefix = stackalloc byte[SafeTensorsHeader.PrefixLength];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, json.Length);
        stream.Write(prefix);
        stream.Write(json);
        foreach (SafeTensorsEntry entry in header.Entries)
        {
            using var scope = NewDisposeScope();
            Tensor flat = tensors[entry.Name].detach().cpu().contiguous().reshape(-1);
            ForEachChunk(flat, bytes => stream.Write(bytes));
        }
    }

    /// <inheritdoc cref="Read(Stream, out IReadOnlyDictionary{string, string}, long?)"/>
    public static Dictionary<string, Tensor> Read(Stream stream, long? length = null) => Read(stream, out _, length);

    /// <summary>Reads tensors onto the CPU. They belong to the dispose scope around the call, or to the caller where there is none.</summary>
    /// <param name="stream">Read to its end and left open.</param>
    /// <param name="metadata">The strings that the file carries beside the tensors.</param>
    /// <param name="length">Bytes left in the stream, if it cannot say so itself; a file that claims more is refused before memory is taken.</param>
    /// <exception cref="FormatException">The bytes are no safetensors file, or end early, or go on.</exception>
    public static Dictionary<string, Tensor> Read(Stream stream, out IReadOnlyDictionary<string, string> metadata, long? length = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using var scope = NewDisposeScope();
        length ??= stream.CanSeek ? stream.Length - stream.Position : null;
        try
        {
            (SafeTensorsHeader header, long headerEnd) = ReadHeader(stream, length);
            if (length is not null && length - headerEnd != header.DataLength)
                throw new FormatException($"The safetensors file has {length - headerEnd} bytes of tensors where its header announces {header.DataLength}.");
            Dictionary<string, Tensor> tensors = header.Entries.ToDictionary(entry => entry.Name, entry => ReadTensor(stream, entry), StringComparer.Ordinal);
            if (stream.ReadByte() >= 0)
                throw new FormatException("The safetensors file goes on after its last tensor.");
            foreach (Tensor tensor in tensors.Values)
                tensor.MoveToOuterDisposeScope();
            metadata = header.Metadata;
            return tensors;
        }
        catch (EndOfStreamException exception)
        {
            throw new FormatException("The safetensors file is truncated.", exception);
        }
    }

    private static Tensor ReadTensor(Stream stream, SafeTensorsEntry entry)
    {
        Tensor tensor = empty(entry.Shape, dtype: entry.Type);
        ForEachChunk(tensor.reshape(-1), stream.ReadExactly);
        return tensor;
    }

    private static (SafeTensorsHeader Header, long End) ReadHeader(Stream stream, long? length)
    {
        Span<byte> prefix = stackalloc byte[SafeTensorsHeader.PrefixLength];
        stream.ReadExactly(prefix);
        ulong size = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (size > SafeTensorsHeader.LargestLength || (long)size > length - prefix.Length)
            throw new FormatException($"This is not a safetensors file, or it is truncated: its header would have {size} bytes.");
        byte[] json = new byte[size];
        stream.ReadExactly(json);
        return (SafeTensorsHeader.Parse(json), prefix.Length + (long)size);
    }

    private delegate void ChunkAction(Span<byte> bytes);

    /// <summary>Shows the memory of a flat CPU tensor, a part at a time.</summary>
    private static void ForEachChunk(Tensor flat, ChunkAction action)
    {
        int elements = ChunkLength / (int)flat.ElementSize;
        for (long start = 0; start < flat.NumberOfElements; start += elements)
        {
            using Tensor chunk = flat.narrow(0, start, Math.Min(elements, flat.NumberOfElements - start));
            action(chunk.bytes);
        }
    }
}
