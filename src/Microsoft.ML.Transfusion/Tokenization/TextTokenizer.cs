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
    private readonly Settings _settings;
    private readonly HashSet<int> _special;

    private TextTokenizer(TextVocabulary vocabulary, Settings settings, Dictionary<string, byte[]> files)
    {
        (_vocabulary, _settings, _files) = (vocabulary, settings, files);
        TokenTable table = settings.Table ?? new TokenTable(vocabulary.Size);
        if (vocabulary.Size > table.Rows)
            throw new FormatException($"The vocabulary has ids up to {vocabulary.Size - 1}, but the token table that it is to go with has {table.Rows} rows. Take the vocabulary that belongs to the table.");
        int next = table.Rows;
        SpecialTokens = new SpecialTokens(
            Padding: table.Find(table.Padding) ?? next++,
            BeginOfSequence: table.Find(table.BeginOfSequence) ?? vocabulary.BeginOfSequence ?? next++,
            EndOfSequence: table.Find(table.EndOfSequence) ?? vocabulary.EndOfSequence ?? next++,
            BeginOfImage: table.Find(table.BeginOfImage) ?? next++,
            EndOfImage: table.Find(table.EndOfImage) ?? next++) with
        { FirstCode = next };
        VocabularySize = next;
        _special = [SpecialTokens.Padding, SpecialTokens.BeginOfSequence, SpecialTokens.EndOfSequence, SpecialTokens.BeginOfImage, SpecialTokens.EndOfImage];
    }

    /// <summary>Number of ids, special tokens included.</summary>
    public int VocabularySize { get; }

    /// <summary>The five special tokens of this vocabulary, after which codes of pictures would follow: new ids after its own, but for a begin and end of sequence that it brings.</summary>
    public SpecialTokens SpecialTokens { get; }

    /// <summary>Trains a byte-level BPE vocabulary of at most <paramref name="vocabularySize"/> tokens, special tokens not counted.</summary>
    public static TextTokenizer Train(IEnumerable<string> texts, int vocabularySize)
    {
        (byte[] vocabulary, byte[] merges) = ByteLevelBpe.Save(BpeVocabularyTrainer.Train(texts, vocabularySize));
        return FromVocabularyAndMerges(vocabulary, merges);
    }

    /// <exception cref="FormatException">The files are something else.</exception>
    public static TextTokenizer FromVocabularyAndMerges(byte[] vocabulary, byte[] merges, PreTokenization preTokenization = PreTokenization.Gpt2) =>
        Create(new(VocabularyKind.Bpe, preTokenization), (ByteLevelBpe.VocabularyFile, vocabulary), (ByteLevelBpe.MergesFile, merges));

    /// <exception cref="FormatException">The file is something else.</exception>
    public static TextTokenizer FromTiktoken(byte[] contents, PreTokenization? preTokenization = null) =>
        Create(new(VocabularyKind.Tiktoken, preTokenization ?? TiktokenVocabulary.GuessPreTokenization(contents)), (TiktokenVocabulary.FileName, contents));

    /// <exception cref="FormatException">The file is something else.</exception>
    public static TextTokenizer FromSentencePiece(byte[] contents) =>
        Create(new(VocabularyKind.SentencePiece, null), (SentencePieceVocabulary.FileName, contents));

    /// <summary>The way back from <see cref="Save"/>.</summary>
    /// <exception cref="FormatException">A file is missing or is something else.</exception>
    public static TextTokenizer Load(IReadOnlyDictionary<string, byte[]> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        var copy = new Dictionary<string, byte[]>(files);
        Settings settings = ReadSettings(copy);
        return new TextTokenizer(Load(settings, copy), settings, copy);
    }

    /// <summary>The same vocabulary for a token table that was made elsewhere: special tokens that the table lacks are the vocabulary's own or new ids after its rows.</summary>
    /// <exception cref="FormatException">The table has fewer rows than the vocabulary has ids.</exception>
    public TextTokenizer For(TokenTable table)
    {
        Settings settings = _settings with { Table = table };
        return new TextTokenizer(_vocabulary, settings, new Dictionary<string, byte[]>(_files) { [SettingsFile] = Serialize(settings) });
    }

    public VocabularyKind Kind => _settings.Kind;

    /// <summary>How text is split before merging; SentencePiece needs none.</summary>
    public PreTokenization? Pattern => _settings.PreTokenization;

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
            if (id < _vocabulary.Size && !_special.Contains(id))
                ids.Add(id);
        }
        return _vocabulary.Decode(ids) ?? "";
    }

    private static TextTokenizer Create(Settings settings, params ReadOnlySpan<(string Name, byte[] Contents)> files)
    {
        Dictionary<string, byte[]> all = new() { [SettingsFile] = Serialize(settings) };
        foreach ((string name, byte[] contents) in files)
            all.Add(name, contents);
        return new TextTokenizer(Load(settings, all), settings, all);
    }

    private static byte[] Serialize(Settings settings) => JsonSerializer.SerializeToUtf8Bytes(settings, Json);

    private static TextVocabulary Load(Settings settings, Dictionary<string, byte[]> files)
    {
        PreTokenization preTokenization = settings.PreTokenization ?? PreTokenization.Gpt2;
        return settings.Kind switch
        {
            VocabularyKind.Bpe => ByteLevelBpe.Load(Find(files, ByteLevelBpe.VocabularyFile), Find(files, ByteLevelBpe.MergesFile), preTokenization),
            VocabularyKind.Tiktoken => TiktokenVocabulary.Load(Find(files, TiktokenVocabulary.FileName), preTokenization),
            VocabularyKind.SentencePiece => SentencePieceVocabulary.Load(Find(files, SentencePieceVocabulary.FileName)),
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

    private sealed record Settings([property: JsonRequired] VocabularyKind Kind, PreTokenization? PreTokenization, TokenTable? Table = null);
}
