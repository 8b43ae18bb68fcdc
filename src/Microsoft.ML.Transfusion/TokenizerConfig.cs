// Where the vocabulary comes from: trained on the text column itself, or a file that exists already.
using Microsoft.ML.Transfusion.Tokenization;

namespace Microsoft.ML.Transfusion;

/// <summary>The vocabulary that text is cut into tokens with. Immutable. Ready vocabularies are read from disk by the factory, so a wrong path or file shows at once.</summary>
public sealed record TokenizerConfig
{
    private readonly int _vocabularySize;
    private readonly TextTokenizer? _ready;

    private TokenizerConfig(int vocabularySize, TextTokenizer? ready)
    {
        _vocabularySize = vocabularySize;
        _ready = ready;
    }

    /// <summary>Trains a byte-level BPE vocabulary on the text column: every string can be encoded, and decodes to itself. The default.</summary>
    /// <param name="vocabularySize">Number of text tokens, at least 256 (one for each byte); special tokens come on top. Text with too few repetitions gives a smaller vocabulary.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="vocabularySize"/> is below 256.</exception>
    public static TokenizerConfig TrainOnText(int vocabularySize = 1024)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, ByteSymbols.Count);
        return new TokenizerConfig(vocabularySize, null);
    }

    /// <summary>Uses a tiktoken file: lines of a base64 token and its rank. How text is split beforehand follows from the number of ranks: GPT-2's way below 100,000, cl100k's below 150,000 (Llama 3 included), o200k's above.</summary>
    /// <param name="path">The file, such as <c>cl100k_base.tiktoken</c>.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="FormatException">The file is something else.</exception>
    public static TokenizerConfig FromTiktoken(string path) => Ready(contents => TextTokenizer.FromTiktoken(contents), path);

    /// <summary>Uses a SentencePiece model, BPE or unigram, such as Llama's <c>tokenizer.model</c>. Its own begin and end of sequence are used when it has them.</summary>
    /// <param name="path">The <c>.model</c> file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="FormatException">The file is something else.</exception>
    public static TokenizerConfig FromSentencePiece(string path) => Ready(TextTokenizer.FromSentencePiece, path);

    /// <summary>Uses a byte-level BPE vocabulary in GPT-2's two files.</summary>
    /// <param name="vocabularyPath">A JSON object from token to id (<c>vocab.json</c>).</param>
    /// <param name="mergesPath">The merges, one a line, most important first (<c>merges.txt</c>).</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="FormatException">A file is something else, or the vocabulary is not byte-level.</exception>
    public static TokenizerConfig FromVocabularyAndMerges(string vocabularyPath, string mergesPath)
    {
        byte[] merges = Read(mergesPath);
        return Ready(vocabulary => TextTokenizer.FromVocabularyAndMerges(vocabulary, merges), vocabularyPath, $" with {mergesPath}");
    }

    /// <summary>The ready tokenizer; null where one is to be trained.</summary>
    internal TextTokenizer? Existing => _ready;

    /// <summary>Text tokens of the vocabulary that is to be trained.</summary>
    internal int VocabularySize => _vocabularySize;

    /// <summary>The tokenizer: the ready one, or one trained on the texts, which are read once and only in that case.</summary>
    internal TextTokenizer Create(IEnumerable<string> texts) => _ready ?? TextTokenizer.Train(texts, _vocabularySize);

    private static TokenizerConfig Ready(Func<byte[], TextTokenizer> load, string path, string company = "")
    {
        byte[] contents = Read(path);
        try
        {
            return new TokenizerConfig(0, load(contents));
        }
        catch (FormatException exception)
        {
            throw new FormatException($"{path}{company}: {exception.Message}", exception);
        }
    }

    private static byte[] Read(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return File.ReadAllBytes(path);
    }
}
