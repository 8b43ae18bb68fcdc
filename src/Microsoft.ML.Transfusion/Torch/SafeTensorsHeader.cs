// The header of the safetensors format: a JSON object from tensor name to type, shape and place in the bytes that follow it.
// What is read is checked in full before anything is allocated by it.
using System.Buffers;
using System.Text.Json;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

/// <summary>One tensor: <c>Begin</c> and <c>Length</c> are in bytes, counted from the end of the header.</summary>
internal sealed record SafeTensorsEntry(string Name, ScalarType Type, long[] Shape, long Begin, long Length)
{
    public long End => Begin + Length;
}

internal sealed record SafeTensorsHeader(IReadOnlyList<SafeTensorsEntry> Entries, IReadOnlyDictionary<string, string> Metadata)
{
    public const int PrefixLength = 8;                             // the header's length, UInt64 little-endian
    public const int LargestLength = 100_000_000;                  // the format's own limit
    private const int Alignment = 8;
    private const string MetadataKey = "__metadata__";

    private static readonly (string Name, ScalarType Type, int Size)[] Types =
    [
        ("F64", ScalarType.Float64, 8), ("F32", ScalarType.Float32, 4), ("F16", ScalarType.Float16, 2), ("BF16", ScalarType.BFloat16, 2),
        ("I64", ScalarType.Int64, 8), ("I32", ScalarType.Int32, 4), ("I16", ScalarType.Int16, 2), ("I8", ScalarType.Int8, 1),
        ("U8", ScalarType.Byte, 1), ("BOOL", ScalarType.Bool, 1),
    ];

    /// <summary>Bytes that all tensors take together.</summary>
    public long DataLength => Entries.Count == 0 ? 0 : Entries[^1].End;

    /// <summary>Lays tensors out: large elements first, so that each is aligned to its size, then by name.</summary>
    public static SafeTensorsHeader Of(IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        List<SafeTensorsEntry> entries = [];
        long begin = 0;
        foreach ((string name, Tensor tensor) in tensors.OrderByDescending(pair => SizeOf(pair.Value.dtype)).ThenBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (name == MetadataKey)
                throw new ArgumentException($"A tensor cannot be called {MetadataKey}.", nameof(tensors));
            entries.Add(new SafeTensorsEntry(name, tensor.dtype, tensor.shape, begin, tensor.NumberOfElements * SizeOf(tensor.dtype)));
            begin = entries[^1].End;
        }
        return new SafeTensorsHeader(entries, metadata ?? new Dictionary<string, string>());
    }

    /// <summary>The JSON, padded with spaces so that the tensors begin at a multiple of 8.</summary>
    public byte[] ToJson()
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
                JsonSerializer.Serialize(json, new { dtype = NameOf(entry.Type), shape = entry.Shape, data_offsets = new[] { entry.Begin, entry.End } });
            }
            json.WriteEndObject();
        }
        int padding = (Alignment - buffer.WrittenCount % Alignment) % Alignment;
        return [.. buffer.WrittenSpan, .. Enumerable.Repeat((byte)' ', padding)];
    }

    /// <exception cref="FormatException">The header breaks a rule of the format.</exception>
    public static SafeTensorsHeader Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            List<SafeTensorsEntry> entries = [];
            Dictionary<string, string> metadata = [];
            foreach (JsonProperty property in document.RootElement.EnumerateObject())
            {
                if (property.Name == MetadataKey)
                    metadata = property.Value.EnumerateObject().ToDictionary(pair => pair.Name, pair => pair.Value.GetString() ?? "");
                else
                    entries.Add(ParseEntry(property.Name, property.Value));
            }
            entries.Sort((left, right) => (left.Begin, left.End).CompareTo((right.Begin, right.End)));
            CheckContiguous(entries);
            return new SafeTensorsHeader(entries, metadata);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new FormatException($"The safetensors header is not what the format asks for: {exception.Message}", exception);
        }
    }

    private static SafeTensorsEntry ParseEntry(string name, JsonElement element)
    {
        string? typeName = element.GetProperty("dtype").GetString();
        int index = Array.FindIndex(Types, type => type.Name == typeName);
        if (index < 0)
            throw new FormatException($"Tensor '{name}' has type {typeName}; this library reads {string.Join(", ", Types.Select(type => type.Name))}.");
        long[] shape = ReadNumbers(element, "shape");
        long[] offsets = ReadNumbers(element, "data_offsets");
        if (offsets.Length != 2 || offsets[0] < 0 || offsets[1] < offsets[0])
            throw new FormatException($"Tensor '{name}' has the offsets [{string.Join(", ", offsets)}]; they must be a begin and an end after it.");
        long length = offsets[1] - offsets[0];
        if (Array.Exists(shape, size => size < 0) || !Fits(shape, Types[index].Size, length))
            throw new FormatException($"Tensor '{name}' of type {typeName} and shape [{string.Join(", ", shape)}] does not fill its {length} bytes.");
        return new SafeTensorsEntry(name, Types[index].Type, shape, offsets[0], length);
    }

    private static long[] ReadNumbers(JsonElement element, string name) =>
        [.. element.GetProperty(name).EnumerateArray().Select(number => number.GetInt64())];

    private static bool Fits(long[] shape, int size, long length)
    {
        UInt128 bytes = (UInt128)size;
        foreach (long dimension in shape)
        {
            if (dimension == 0)
                return length == 0;
            if (bytes <= long.MaxValue)                            // beyond it nothing fits: stop before the product overflows
                bytes *= (UInt128)dimension;
        }
        return bytes == (UInt128)length;
    }

    private static void CheckContiguous(List<SafeTensorsEntry> entries)
    {
        long end = 0;
        foreach (SafeTensorsEntry entry in entries)
        {
            if (entry.Begin != end)
                throw new FormatException($"Tensor '{entry.Name}' begins at {entry.Begin} where the one before ends at {end}: the bytes must be used once each.");
            end = entry.End;
        }
    }

    private static int SizeOf(ScalarType type) => Find(type).Size;

    private static string NameOf(ScalarType type) => Find(type).Name;

    private static (string Name, ScalarType Type, int Size) Find(ScalarType type)
    {
        int index = Array.FindIndex(Types, known => known.Type == type);
        return index >= 0 ? Types[index] : throw new ArgumentException($"safetensors has no type for {type}.", nameof(type));
    }
}
