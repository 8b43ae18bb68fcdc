// Hugging Face's tokenizer.json, as far as it is byte-level BPE, which is what Llama 3, SmolLM and GPT-2 have. Whatever else it asks for
// is refused by name, because ids would silently differ.
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Transfusion.Tokenization;

internal static class TokenizerJson
{
    public const string FileName = "tokenizer.json";
    private const string Remedy = "Put the vocabulary's tokenizer.model, or its vocab.json and merges.txt, beside it in its place";

    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, WriteIndented = true };

    /// <exception cref="FormatException">The contents are no tokenizer.json, or one of another kind.</exception>
    public static TextTokenizer Read(byte[] contents)
    {
        try
        {
            JsonElement json = JsonElement.Parse(contents), model = json.GetProperty("model");
            Require(json, "normalizer", "null");
            Require(model, "type", "\"BPE\"");
            Require(model, "byte_fallback", "false");
            Require(model, "continuing_subword_prefix", "null", "\"\"");
            Require(model, "end_of_word_suffix", "null", "\"\"");
            PreTokenization preTokenization = ReadPreTokenizer(json.GetProperty("pre_tokenizer"));
            Dictionary<string, int> ids = model.GetProperty("vocab").Deserialize<Dictionary<string, int>>()!;
            foreach (JsonElement added in Elements(json, "added_tokens"))
                ids.Remove(added.GetProperty("content").GetString()!);           // no text may be cut into a special token
            // "ignore_merges" is tiktoken's way: a word that is a token needs no merges to become one.
            return model.TryGetProperty("ignore_merges", out JsonElement ignores) && ignores.GetBoolean()
                ? TextTokenizer.FromTiktoken(ToTiktoken(ids), preTokenization)
                : TextTokenizer.FromVocabularyAndMerges(JsonSerializer.SerializeToUtf8Bytes(ids, Readable), ReadMerges(model), preTokenization);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new FormatException($"{FileName} is not what Hugging Face's tokenizers write: {exception.Message}", exception);
        }
    }

    /// <summary>A byte-level vocabulary for Hugging Face's tokenizers, with its special tokens.</summary>
    /// <param name="vocabulary">GPT-2's vocab.json.</param>
    /// <param name="merges">GPT-2's merges.txt.</param>
    /// <param name="special">Name and id of each special token.</param>
    public static byte[] Write(byte[] vocabulary, byte[] merges, PreTokenization preTokenization, IEnumerable<(string Name, int Id)> special)
    {
        IEnumerable<string> lines = Encoding.UTF8.GetString(merges).Split('\n').Where(line => line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal));
        var json = new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = new JsonArray([.. special.OrderBy(token => token.Id).Select(token => new JsonObject
            {
                ["id"] = token.Id,
                ["content"] = token.Name,
                ["single_word"] = false,
                ["lstrip"] = false,
                ["rstrip"] = false,
                ["normalized"] = false,
                ["special"] = true,
            })]),
            ["normalizer"] = null,
            ["pre_tokenizer"] = WritePreTokenizer(preTokenization),
            ["post_processor"] = null,
            ["decoder"] = ByteLevel(splits: true),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["dropout"] = null,
                ["unk_token"] = null,
                ["continuing_subword_prefix"] = null,
                ["end_of_word_suffix"] = null,
                ["fuse_unk"] = false,
                ["byte_fallback"] = false,
                ["vocab"] = JsonNode.Parse(vocabulary),
                ["merges"] = new JsonArray([.. lines.Select(line => JsonValue.Create(line))]),
            },
        };
        return JsonSerializer.SerializeToUtf8Bytes(json, Readable);
    }

    private static PreTokenization ReadPreTokenizer(JsonElement json)
    {
        JsonElement[] steps = json.GetProperty("type").GetString() == "Sequence" ? Elements(json, "pretokenizers") : [json];
        string[] kinds = [.. steps.Select(step => step.GetProperty("type").GetString()!)];
        if (kinds is [.., "ByteLevel"])
        {
            Require(steps[^1], "add_prefix_space", "false");
            bool splits = !steps[^1].TryGetProperty("use_regex", out JsonElement use) || use.GetBoolean();
            if (kinds is ["ByteLevel"] && splits)
                return PreTokenization.Gpt2;
            if (kinds is ["Digits", _] && splits)
            {
                Require(steps[0], "individual_digits", "true");
                return PreTokenization.Gpt2Digits;
            }
            if (kinds is ["Split", _] && !splits)
            {
                Require(steps[0], "behavior", "\"Isolated\"");
                Require(steps[0], "invert", "false");
                string? pattern = steps[0].GetProperty("pattern").GetProperty("Regex").GetString();
                foreach (PreTokenization known in Enum.GetValues<PreTokenization>())
                {
                    if (PreTokenizationPattern.Of(known).ToString() == pattern)
                        return known;
                }
            }
        }
        throw new FormatException($"{FileName} splits text in a way that this library does not know: \"pre_tokenizer\" is {json.GetRawText()}. {Remedy}.");
    }

    private static JsonObject WritePreTokenizer(PreTokenization preTokenization) => preTokenization switch
    {
        PreTokenization.Gpt2 => ByteLevel(splits: true),
        PreTokenization.Gpt2Digits => Sequence(new JsonObject { ["type"] = "Digits", ["individual_digits"] = true }, ByteLevel(splits: true)),
        _ => Sequence(new JsonObject
        {
            ["type"] = "Split",
            ["pattern"] = new JsonObject { ["Regex"] = PreTokenizationPattern.Of(preTokenization).ToString() },
            ["behavior"] = "Isolated",
            ["invert"] = false,
        }, ByteLevel(splits: false)),
    };

    private static JsonObject Sequence(params JsonNode[] steps) => new() { ["type"] = "Sequence", ["pretokenizers"] = new JsonArray(steps) };

    private static JsonObject ByteLevel(bool splits) => new() { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true, ["use_regex"] = splits };

    /// <summary>Older files have "a b" for a merge, newer ones ["a", "b"].</summary>
    private static byte[] ReadMerges(JsonElement model) => Encoding.UTF8.GetBytes(string.Concat(Elements(model, "merges")
        .Select(merge => (merge.ValueKind == JsonValueKind.Array ? $"{merge[0].GetString()} {merge[1].GetString()}" : merge.GetString()) + "\n")));

    /// <summary>A token's id is its rank.</summary>
    private static byte[] ToTiktoken(Dictionary<string, int> ids)
    {
        Dictionary<char, byte> bytes = Enumerable.Range(0, ByteSymbols.Count).ToDictionary(value => ByteSymbols.Of((byte)value)[0], value => (byte)value);
        var lines = new StringBuilder();
        foreach ((string token, int id) in ids.OrderBy(entry => entry.Value))
        {
            if (token.FirstOrDefault(symbol => !bytes.ContainsKey(symbol)) is not '\0' and var other)
                throw new FormatException($"{FileName} is not byte-level: its token {id} has the character '{other}'. {Remedy}.");
            lines.Append(Convert.ToBase64String([.. token.Select(symbol => bytes[symbol])])).Append(' ').Append(id).Append('\n');
        }
        return Encoding.UTF8.GetBytes(lines.ToString());
    }

    private static JsonElement[] Elements(JsonElement json, string key) => json.TryGetProperty(key, out JsonElement array) ? [.. array.EnumerateArray()] : [];

    private static void Require(JsonElement json, string key, params string[] values)
    {
        string actual = json.TryGetProperty(key, out JsonElement value) ? value.GetRawText() : "null";
        if (!values.Contains(actual) && !(actual == "null" && values.Contains("false")))
            throw new FormatException($"{FileName} has \"{key}\": {actual}, where this library can do {string.Join(" or ", values)}. {Remedy}.");
    }
}
