// The header of the safetensors format: a JSON object from tensor name to type, shape and place in the bytes that follow it.
// What is read is checked in full, against the length of the file too, before anything is allocated by it.
using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

/// <param name="Entries">In the order of their bytes, which they use once each.</param>
/// <param name="DataStart">Where in the file the tensors' bytes begin; 0 before the header is written.</param>
internal sealed record SafeTensorsHeader(IReadOnlyList<SafeTensorsEntry> Entries, IReadOnlyDictionary<string, string> Metadata, long DataStart = 0)
{
    public const string MetadataKey = "__metadata__";
    private const int PrefixLength = 8;                            // the header's length, UInt64 little-endian
    private const int LargestLength = 100_000_000;                 // the format's own limit
    private const int Alignment = 8;
    private const int ReadLength = 1 << 12;                        // what is taken on trust, where the file's length is not known

    /// <summary>Bytes that all tensors take together.</summary>
    public long DataLength => Entries.Count == 0 ? 0 : Entries[^1].End;

    /// <summary>Lays tensors out: large elements first, so that each is aligned to its size, then by name.</summary>
    public static SafeTensorsHeader Of(IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        List<SafeTensorsEntry> entries = [];
        long begin = 0;
        foreach ((string name, Tensor tensor) in tensors.OrderByDescending(pair => pair.Value.ElementSize).ThenBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (name == MetadataKey)
                throw new ArgumentException($"A tensor cannot be called {MetadataKey}: safetensors keeps its metadata there.", nameof(tensors));
            SafeTensorsType type = SafeTensorsType.Of(tensor.dtype)
                ?? throw new ArgumentException($"Tensor '{name}' is {tensor.dtype}, for which safetensors has no type.", nameof(tensors));
            entries.Add(new SafeTensorsEntry(name, type, tensor.shape, begin, tensor.NumberOfElements * type.Bytes));
            begin = entries[^1].End;
        }
        return new SafeTensorsHeader(entries, metadata ?? new Dictionary<string, string>());
    }

    /// <summary>Writes the length and the JSON, padded with spaces so that the tensors begin at a multiple of 8.</summary>
    public void Write(Stream stream)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (Metadata.Count > 0)
            {
                json.WritePropertyName(MetadataKey);
                JsonSerializer.Serialize(json, Metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal).ToDictionary());
            }
            foreach (SafeTensorsEntry entry in Entries)
            {
                json.WritePropertyName(entry.Name);
                JsonSerializer.Serialize(json, new { dtype = entry.Type.Name, shape = entry.Shape, data_offsets = new[] { entry.Begin, entry.End } });
            }
            json.WriteEndObject();
        }
        int padding = (Alignment - buffer.WrittenCount % Alignment) % Alignment;
        buffer.GetSpan(padding)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        if (buffer.WrittenCount > LargestLength)
            throw new InvalidOperationException($"The header of {Entries.Count} tensors has {buffer.WrittenCount} bytes; safetensors allows {LargestLength}. Write several files.");
        Span<byte> prefix = stackalloc byte[PrefixLength];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, buffer.WrittenCount);
        stream.Write(prefix);
        stream.Write(buffer.WrittenSpan);
    }

    /// <param name="length">Bytes from here to the end; null: not known, and what is read is not checked against it.</param>
    /// <param name="source">What errors call the file, at the head of a sentence.</param>
    /// <exception cref="FormatException">The header breaks a rule of the format, or does not describe a file of this length.</exception>
    /// <exception cref="EndOfStreamException">The bytes end in the header.</exception>
    public static SafeTensorsHeader Read(Stream stream, long? length, string source)
    {
        Span<byte> prefix = stackalloc byte[PrefixLength];
        stream.ReadExactly(prefix);
        ulong claimed = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (claimed > LargestLength || (long)claimed > length - PrefixLength)
            throw new FormatException($"{source} is not of that format, or it is truncated: its header would have {claimed} bytes.");
        int size = (int)claimed;
        byte[] json = new byte[length is null ? Math.Min(size, ReadLength) : size];
        for (int read = 0; read < size; read = json.Length)
        {
            if (read > 0)                                          // nothing but the file itself vouches for the size: take memory as bytes arrive
                Array.Resize(ref json, (int)Math.Min(size, 2L * read));
            stream.ReadExactly(json.AsSpan(read));
        }
        SafeTensorsHeader header = SafeTensorsHeaderParser.Parse(json, source) with { DataStart = PrefixLength + size };
        header.RequireLength(length, source);
        return header;
    }

    private void RequireLength(long? length, string source)
    {
        if (length - DataStart is not { } rest || rest == DataLength)
            return;
        throw Entries.FirstOrDefault(entry => entry.End > rest) is { } beyond
            ? new FormatException($"{source} is truncated: tensor '{beyond.Name}' ends at {beyond.End} of {rest} bytes.")
            : new FormatException($"{source} has {rest} bytes of tensors where its header announces {DataLength}.");
    }
}
