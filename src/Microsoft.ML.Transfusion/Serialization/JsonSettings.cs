// Settings in another project's JSON file, read so that an error names the file, the key and the value.
using System.Text.Json;

namespace Microsoft.ML.Transfusion.Serialization;

internal sealed class JsonSettings
{
    private readonly JsonElement _json;
    private readonly string _prefix;

    /// <exception cref="FormatException">The contents are no JSON object.</exception>
    public JsonSettings(string path, byte[] contents)
    {
        (Path, _prefix) = (path, "");
        try
        {
            _json = JsonElement.Parse(contents);
        }
        catch (JsonException exception)
        {
            throw new FormatException($"{path} is not JSON: {exception.Message}", exception);
        }
        if (_json.ValueKind != JsonValueKind.Object)
            throw new FormatException($"{path} is not a JSON object of settings.");
    }

    private JsonSettings(string path, string prefix, JsonElement json) => (Path, _prefix, _json) = (path, prefix, json);

    public string Path { get; }

    /// <summary>Whether the key is there and not null.</summary>
    public bool Has(string key) => Find(key) is not null;

    public JsonSettings Object(string key) => Find(key) is { ValueKind: JsonValueKind.Object } value
        ? new JsonSettings(Path, $"{_prefix}{key}.", value) : throw Refuse(key, "An object is needed");

    /// <summary>A whole number above 0.</summary>
    public int Int(string key) => OptionalInt(key) ?? throw Refuse(key, "A whole number above 0 is needed");

    /// <summary>A whole number above 0; null where there is none.</summary>
    public int? OptionalInt(string key)
    {
        if (Find(key) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number > 0 ? number : throw Refuse(key, "A whole number above 0 is needed");
    }

    /// <summary>Whole numbers above 0, at least one.</summary>
    public IReadOnlyList<int> Ints(string key) => Find(key) is { ValueKind: JsonValueKind.Array } values && values.GetArrayLength() > 0
        && values.EnumerateArray().All(value => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number > 0)
        ? [.. values.EnumerateArray().Select(value => value.GetInt32())] : throw Refuse(key, "A list of whole numbers above 0 is needed");

    /// <summary>Whether every element of a list is this text; also where there is no list.</summary>
    public void RequireEach(string key, string value, string why)
    {
        if (Find(key) is { } list && (list.ValueKind != JsonValueKind.Array || list.EnumerateArray().Any(element => element.ValueKind != JsonValueKind.String || element.GetString() != value)))
            throw Refuse(key, why);
    }

    /// <summary>A number of 0 or above, or the first of several; null where there is none, or −1 in its place.</summary>
    public int? FirstId(string key)
    {
        JsonElement? value = Find(key);
        if (value is { ValueKind: JsonValueKind.Array } several)
            value = several.EnumerateArray().Select(element => (JsonElement?)element).FirstOrDefault();
        if (value is not { } id)
            return null;
        return id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out int number) ? (number < 0 ? null : number) : throw Refuse(key, "A whole number is needed");
    }

    /// <summary>Any number.</summary>
    public double AnyNumber(string key) => Find(key) is { ValueKind: JsonValueKind.Number } value && value.TryGetDouble(out double number) && double.IsFinite(number)
        ? number : throw Refuse(key, "A number is needed");

    /// <summary>A number above 0.</summary>
    public double Number(string key, double? otherwise = null)
    {
        if (Find(key) is not { } value)
            return otherwise ?? throw Refuse(key, "A number above 0 is needed");
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number > 0 ? number : throw Refuse(key, "A number above 0 is needed");
    }

    public bool Flag(string key) => Find(key) is { } value
        && (value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Refuse(key, "true or false is needed"));

    public string Text(string key, string otherwise) => Find(key) is not { } value ? otherwise
        : value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Refuse(key, "A text is needed");

    /// <exception cref="FormatException">The value is another.</exception>
    public void Require(string key, string value, bool orAbsent, string why)
    {
        if (!(orAbsent && !Has(key)) && Text(key, "") != value)
            throw Refuse(key, $"{why}: it must be \"{value}\"");
    }

    /// <exception cref="FormatException">The value is another.</exception>
    public void Require(string key, bool value, string why)
    {
        if (Flag(key) != value)
            throw Refuse(key, $"{why}: it must be {(value ? "true" : "false")}");
    }

    public FormatException Refuse(string key, string why) => new($"{Path}: \"{_prefix}{key}\" is {Find(key)?.GetRawText() ?? "missing"}. {why}.");

    private JsonElement? Find(string key) => _json.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
