// A SentencePiece model (Kudo and Richardson 2018), BPE or unigram, read and run by Microsoft.ML.Tokenizers. Two habits of the original
// that it lacks are added here. What its models leave out stays out: unknown characters without byte fallback, and odd white space.
using Microsoft.ML.Tokenizers;

namespace Microsoft.ML.Transfusion.Tokenization;

internal static class SentencePieceVocabulary
{
    public const string FileName = "tokenizer.model";
    private const string WordStart = "\u2581";                     // ▁, which stands for the space before a word

    public static TextVocabulary Load(byte[] contents)
    {
        SentencePieceTokenizer tokenizer = Create(contents);
        bool dropsSingles = tokenizer.EncodeToIds("a").Count == 0; // BPE models that remove extra spaces lose a text of one character
        return new TextVocabulary(TextVocabulary.SizeOf([.. tokenizer.Vocabulary.Values]), text => Encode(tokenizer, text, dropsSingles), tokenizer.Decode)
        {
            BeginOfSequence = Own(tokenizer, tokenizer.BeginningOfSentenceToken, tokenizer.BeginningOfSentenceId),
            EndOfSequence = Own(tokenizer, tokenizer.EndOfSentenceToken, tokenizer.EndOfSentenceId),
        };
    }

    private static SentencePieceTokenizer Create(byte[] contents)
    {
        try
        {
            using var stream = new MemoryStream(contents);
            return SentencePieceTokenizer.Create(stream, addBeginningOfSentence: false, addEndOfSentence: false);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)   // the parser throws whatever a wrong byte leads to
        {
            throw new FormatException("This is not a SentencePiece model of the BPE or unigram kind. "
                + "For a tiktoken file use FromTiktoken, for vocab.json and merges.txt FromVocabularyAndMerges.", exception);
        }
    }

    /// <summary>A model without the token reports id 0, which is another's.</summary>
    private static int? Own(SentencePieceTokenizer tokenizer, string token, int id) =>
        tokenizer.Vocabulary.TryGetValue(token, out int found) && found == id ? id : null;

    private static List<int> Encode(SentencePieceTokenizer tokenizer, string text, bool dropsSingles)
    {
        string word = text.Trim(' ');
        IReadOnlyList<int> ids = dropsSingles && word.Length == 1
            ? tokenizer.EncodeToIds(tokenizer.AddDummyPrefix ? WordStart + word : word, considerNormalization: false)
            : tokenizer.EncodeToIds(text);
        List<int> result = new(ids.Count);
        foreach (int id in ids)
        {
            bool repeated = id == tokenizer.UnknownId && !tokenizer.ByteFallback && result.Count > 0 && result[^1] == id;
            if (!repeated)                                         // a run of unknown characters is one unknown token
                result.Add(id);
        }
        return result;
    }
}
