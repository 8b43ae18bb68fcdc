// Byte-level BPE in GPT-2's two files, vocab.json and merges.txt: the trained default, and ready vocabularies of that kind.
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.ML.Tokenizers;

namespace Microsoft.ML.Transfusion.Tokenization;

internal static class ByteLevelBpe
{
    public const string VocabularyFile = "vocab.json";
    public const string MergesFile = "merges.txt";
    private const string VersionLine = "#version";

    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static (byte[] Vocabulary, byte[] Merges) Save(BpeVocabulary vocabulary)
    {
        var ids = vocabulary.Tokens.Select((token, id) => KeyValuePair.Create(token, id)).ToDictionary();
        string merges = $"{VersionLine}: 0.2\n" + string.Concat(vocabulary.Merges.Select(merge => $"{merge.Left} {merge.Right}\n"));
        return (JsonSerializer.SerializeToUtf8Bytes(ids, Readable), Encoding.UTF8.GetBytes(merges));
    }

    public static TextVocabulary Load(byte[] vocabulary, byte[] merges, PreTokenization preTokenization)
    {
        Dictionary<string, int> ids = ReadVocabulary(vocabulary);
        int size = TextVocabulary.SizeOf(ids.Values);
        var options = new BpeOptions(ids)
        {
            ByteLevel = true,
            Merges = ReadMerges(merges),
            PreTokenizer = new RegexPreTokenizer(PreTokenizationPattern.Of(preTokenization), null),
        };
        try
        {
            BpeTokenizer tokenizer = BpeTokenizer.Create(options);
            return new TextVocabulary(size, text => tokenizer.EncodeToIds(text), tokenizer.Decode);
        }
        catch (Exception exception) when (exception is InvalidOperationException or ArgumentException)
        {
            throw new FormatException($"The merges do not fit the vocabulary: {exception.Message}", exception);
        }
    }

    private static Dictionary<string, int> ReadVocabulary(byte[] contents)
    {
        Dictionary<string, int> ids;
        try
        {
            ids = JsonSerializer.Deserialize<Dictionary<string, int>>(contents) ?? [];
        }
        catch (JsonException exception)
        {
            throw new FormatException("This is not a BPE vocabulary, a JSON object from token to id. "
                + "For a tiktoken file use FromTiktoken, for a SentencePiece model FromSentencePiece.", exception);
        }
        for (int value = 0; value < ByteSymbols.Count; value++)
        {
            string symbol = ByteSymbols.Of((byte)value);
            if (!ids.ContainsKey(symbol))
                throw new FormatException($"The vocabulary is not byte-level: it lacks '{symbol}', which stands for byte {value}, so some texts would be lost. "
                    + "Use a byte-level vocabulary such as GPT-2's, or train one on the text.");
        }
        return ids;
    }

    private static List<string> ReadMerges(byte[] contents)
    {
        List<string> merges = [];
        foreach (ReadOnlySpan<char> line in Encoding.UTF8.GetString(contents).AsSpan().EnumerateLines())
        {
            bool comment = merges.Count == 0 && line.StartsWith(VersionLine, StringComparison.Ordinal);
            if (!line.IsEmpty && !comment)
                merges.Add(line.ToString());
        }
        return merges;
    }
}
