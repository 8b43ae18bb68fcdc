// Text to ids and back, over Microsoft.ML.Tokenizers: a byte-level BPE vocabulary trained on the user's own text, or a ready one.
// Special tokens are never the encoding of a text: whatever a caption says, it cannot start an image or end a sequence.
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Transfusion.Sequences;

namespace Microsoft.ML.Transfusion.Tokenization;

/// <summary>Immutable and safe for many threads.</summary>
internal sealed class TextTokenizer
{
    private const string SettingsFile = "settings.json";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    private readonly TextVocabulary _vocabulary;
    private readonly Dictionary<string, byte[]> _files;

    private TextTokenizer(TextVocabulary vocabulary, Dictionary<string, byte[]> files)
    {
        _vocabulary = vocabulary;
        _files = files;
        int next = vocabulary.Size;
        SpecialTokens = new SpecialTokens(
            Padding: next++,
            BeginOfSequence: vocabulary.BeginOfSequence ?? next++,
            EndOfSequence: vocabulary.EndOfSequence ?? next++,
            BeginOfImage: next++,
            EndOfImage: next++);
        VocabularySize = next;
    }

    private enum Kind
    {
        Bpe,
        Tiktoken,
        SentencePiece,
    }

    /// <summary>Number of ids, special tokens included.</summary>
    public int VocabularySize { get; }

    /// <summary>The five special tokens of this vocabulary: new ids after its own, but for a begin and end of sequence that it brings.</summary>
    public SpecialTokens SpecialTokens { get; }

    /// <summary>Trains a byte-level BPE vocabulary of at most <paramref name="vocabularySize"/> tokens, special tokens not counted.</summary>
    public static TextTokenizer Train(IEnumerable<string> texts, int vocabularySize)
    {
        (byte[] vocabulary, byte[] merges) = ByteLevelBpe.Save(BpeVocabularyTrainer.Train(texts, vocabularySize));
        return FromVocabularyAndMerges(vocabulary, merges);
    }

    /// <exception cref="FormatException">The files are something else.</exception>
    public static TextTokenizer FromVocabularyAndMerges(byte[] vocabulary, byte[] merges) =>
        Create(new(Kind.Bpe, PreTokenization.Gpt2), (ByteLevelBpe.VocabularyFile, vocabulary), (ByteLevelBpe.MergesFile, merges));

    /// <exception cref="FormatException">The file is something else.</exception>
    public static TextTokenizer FromTiktoken(byte[] contents) =>
        Create(new(Kind.Tiktoken, TiktokenVocabulary.GuessPreTokenization(contents)), (TiktokenVocabulary.FileName, contents));

    /// <exception cref="FormatException">The file is something else.</exception>
    public static TextTokenizer FromSentencePiece(byte[] contents) =>
        Create(new(Kind.SentencePiece, null), (SentencePieceVocabulary.FileName, contents));

    /// <summary>The way back from <see cref="Save"/>.</summary>
    /// <exception cref="FormatException">A file is missing or is something else.</exception>
    public static TextTokenizer Load(IReadOnlyDictionary<string, byte[]> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        var copy = new Dictionary<string, byte[]>(files);
        return new TextTokenizer(Load(ReadSettings(copy), copy), copy);
    }

    /// <summary>The files that make this tokenizer again: name → contents. Saved inside the model.</summary>
    public IReadOnlyDictionary<string, byte[]> Save() => _files;

    /// <summary>Text to ids, without special tokens. Half of a surrogate pair alone, which is no character, is read as U+FFFD.</summary>
    public int[] Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        bool surrogates = text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF');
        return [.. _vocabulary.Encode(surrogates ? Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)) : text)];
    }

    /// <summary>Ids back to text; special tokens are left out. Bytes that are no UTF-8, as sampling may give, become U+FFFD.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is not below <see cref="VocabularySize"/>.</exception>
    public string Decode(IEnumerable<int> tokenIds)
    {
        ArgumentNullException.ThrowIfNull(tokenIds);
        List<int> ids = [];
        foreach (int id in tokenIds)
        {
            if ((uint)id >= (uint)VocabularySize)
                throw new ArgumentOutOfRangeException(nameof(tokenIds), id, $"The vocabulary has the ids 0…{VocabularySize - 1}.");
            if (id < _vocabulary.Size && id != SpecialTokens.BeginOfSequence && id != SpecialTokens.EndOfSequence)
                ids.Add(id);
        }
        return _vocabulary.Decode(ids) ?? "";
    }

    private static TextTokenizer Create(Settings settings, params ReadOnlySpan<(string Name, byte[] Contents)> files)
    {
        Dictionary<string, byte[]> all = new() { [SettingsFile] = JsonSerializer.SerializeToUtf8Bytes(settings, Json) };
        foreach ((string name, byte[] contents) in files)
            all.Add(name, contents);
        return new TextTokenizer(Load(settings, all), all);
    }

    private static TextVocabulary Load(Settings settings, Dictionary<string, byte[]> files)
    {
        PreTokenization preTokenization = settings.PreTokenization ?? PreTokenization.Gpt2;
        return settings.Kind switch
        {
            Kind.Bpe => ByteLevelBpe.Load(Find(files, ByteLevelBpe.VocabularyFile), Find(files, ByteLevelBpe.MergesFile), preTokenization),
            Kind.Tiktoken => TiktokenVocabulary.Load(Find(files, TiktokenVocabulary.FileName), preTokenization),
            Kind.SentencePiece => SentencePieceVocabulary.Load(Find(files, SentencePieceVocabulary.FileName)),
            _ => throw new FormatException($"Tokenizer kind {settings.Kind} is unknown."),
        };
    }

    private static Settings ReadSettings(Dictionary<string, byte[]> files)
    {
        try
        {
            return JsonSerializer.Deserialize<Settings>(Find(files, SettingsFile), Json) ?? throw new FormatException($"The tokenizer's {SettingsFile} is empty.");
        }
        catch (JsonException exception)
        {
            throw new FormatException($"The tokenizer's {SettingsFile} names a kind that this version does not know, or is not JSON: {exception.Message}", exception);
        }
    }

    private static byte[] Find(Dictionary<string, byte[]> files, string name) =>
        files.GetValueOrDefault(name) ?? throw new FormatException($"The tokenizer's file {name} is missing.");

    private sealed record Settings([property: JsonRequired] Kind Kind, PreTokenization? PreTokenization);
}
