// The rules of a safetensors header, checked token by token: nothing is built that the format does not ask for, and an error names its tensor.
using System.Text.Json;
using System.Text.Unicode;

namespace Microsoft.ML.Transfusion.Torch;

internal ref struct SafeTensorsHeaderParser
{
    private const int MostDimensions = 64;                         // libtorch's own limit
    private readonly string _source;
    private Utf8JsonReader _json;

    private SafeTensorsHeaderParser(ReadOnlySpan<byte> json, string source)
    {
        _json = new Utf8JsonReader(json);
        _source = source;
    }

    /// <param name="source">What errors call the file, at the head of a sentence.</param>
    /// <exception cref="FormatException">The header breaks a rule of the format.</exception>
    public static SafeTensorsHeader Parse(ReadOnlySpan<byte> json, string source)
    {
        var parser = new SafeTensorsHeaderParser(json, source);
        if (json is not [(byte)'{', ..])
            throw parser.Broken("its header does not begin with '{'");
        if (!Utf8.IsValid(json))
            throw parser.Broken("its header is not UTF-8");
        try
        {
            return parser.ParseHeader();
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)   // the latter: half a surrogate pair, as \uD800
        {
            throw parser.Broken($"its header is not JSON: {exception.Message}", exception);
        }
    }

    private SafeTensorsHeader ParseHeader()
    {
        List<SafeTensorsEntry> entries = [];
        Dictionary<string, string> metadata = new(StringComparer.Ordinal);
        HashSet<string> names = new(StringComparer.Ordinal);
        _json.Read();                                              // the brace
        while (NextName() is { } name)
        {
            if (!names.Add(name))
                throw Broken($"its header has '{name}' twice");
            if (name == SafeTensorsHeader.MetadataKey)
                ParseMetadata(metadata);
            else
                entries.Add(ParseEntry(name));
        }
        _json.Read();                                              // refuses whatever follows the object
        entries.Sort((left, right) => (left.Begin, left.End).CompareTo((right.Begin, right.End)));
        RequireContiguous(entries);
        return new SafeTensorsHeader(entries, metadata);
    }

    private void ParseMetadata(Dictionary<string, string> metadata)
    {
        if (Next() != JsonTokenType.StartObject)
            throw Broken($"{SafeTensorsHeader.MetadataKey} is not an object of strings");
        while (NextName() is { } key)
        {
            if (Next() != JsonTokenType.String)
                throw Broken($"'{key}' in {SafeTensorsHeader.MetadataKey} is not a string");
            if (!metadata.TryAdd(key, _json.GetString()!))
                throw Broken($"{SafeTensorsHeader.MetadataKey} has '{key}' twice");
        }
    }

    private SafeTensorsEntry ParseEntry(string name)
    {
        string? type = null;
        long[]? shape = null, offsets = null;
        if (Next() != JsonTokenType.StartObject)
            throw Broken($"tensor '{name}' is not described by an object");
        while (NextName() is { } member)
        {
            JsonTokenType token = Next();
            if (member switch { "dtype" => type is not null, "shape" => shape is not null, "data_offsets" => offsets is not null, _ => false })
                throw Broken($"tensor '{name}' has '{member}' twice");
            if (member == "dtype")
                type = token == JsonTokenType.String ? _json.GetString() : throw Broken($"tensor '{name}' has a dtype that is not a string");
            else if (member == "shape")
                shape = ParseNumbers(name, member);
            else if (member == "data_offsets")
                offsets = ParseNumbers(name, member);
            else
                _json.Skip();                                      // the format's own implementation ignores it too
        }
        if (type is null || shape is null || offsets is null)
            throw Broken($"tensor '{name}' lacks {(type is null ? "dtype" : shape is null ? "shape" : "data_offsets")}");
        if (offsets.Length != 2 || offsets[1] < offsets[0])
            throw Broken($"tensor '{name}' has the offsets [{string.Join(", ", offsets)}]; they must be a begin and an end after it");
        var entry = new SafeTensorsEntry(name, SafeTensorsType.Named(type), shape, offsets[0], offsets[1] - offsets[0]);
        return entry.Fits() ? entry : throw Broken($"tensor '{name}' of type {type} and shape [{string.Join(", ", shape)}] does not fill its {entry.Length} bytes");
    }

    private long[] ParseNumbers(string name, string member)
    {
        if (_json.TokenType != JsonTokenType.StartArray)
            throw Broken($"tensor '{name}' has a {member} that is not a list");
        Span<long> numbers = stackalloc long[MostDimensions];
        int count = 0;
        while (Next() != JsonTokenType.EndArray)
        {
            if (_json.TokenType != JsonTokenType.Number || !_json.TryGetInt64(out long number) || number < 0)
                throw Broken($"tensor '{name}' has a {member} with something else than whole numbers from 0 to 2⁶³ − 1");
            if (count == MostDimensions)
                throw Broken($"tensor '{name}' has more than {MostDimensions} numbers in its {member}");
            numbers[count++] = number;
        }
        return numbers[..count].ToArray();
    }

    private readonly void RequireContiguous(List<SafeTensorsEntry> entries)
    {
        long end = 0;
        foreach (SafeTensorsEntry entry in entries)
        {
            if (entry.Begin != end)
                throw Broken($"tensor '{entry.Name}' begins at {entry.Begin} where the one before ends at {end}; each byte must be used once");
            end = entry.End;
        }
    }

    private JsonTokenType Next()
    {
        _json.Read();
        return _json.TokenType;
    }

    /// <summary>The next member's name; null at the end of the object.</summary>
    private string? NextName() => Next() == JsonTokenType.PropertyName ? _json.GetString() : null;

    private readonly FormatException Broken(string what, Exception? inner = null) => new($"{_source} is malformed: {what}.", inner);
}
