// A SentencePiece model (Kudo and Richardson 2018), BPE or unigram. Microsoft.ML.Tokenizers reads the file and its special
// tokens; the text's way to ids and back is here, because there it is not the original's in every case (docs/log.md).
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Microsoft.ML.Transfusion.Tokenization;

internal sealed class SentencePieceVocabulary
{
    public const string FileName = "tokenizer.model";
    public const string Space = "\u2581";                          // ▁

    private readonly SentencePieceTokenizer _tokenizer;
    private readonly SentencePieceModel _model;
    private readonly UserDefinedSymbols _symbols;
    private readonly SentencePieceNormalizer _normalizer;
    private readonly Func<string, IReadOnlyList<(int Id, string Text)>> _cut;

    private SentencePieceVocabulary(byte[] contents)
    {
        using var stream = new MemoryStream(contents);
        _tokenizer = SentencePieceTokenizer.Create(stream, addBeginningOfSentence: false, addEndOfSentence: false);
        _model = SentencePieceModel.Parse(contents);
        _symbols = new UserDefinedSymbols(_model);
        _normalizer = new SentencePieceNormalizer(_model, _symbols);
        _cut = _model.IsUnigram ? new UnigramSearch(_model, _tokenizer.UnknownId).Cut : new BpeMerges(_model, _tokenizer.UnknownId).Cut;
    }

    public static TextVocabulary Load(byte[] contents)
    {
        SentencePieceVocabulary vocabulary = Create(contents);
        SentencePieceTokenizer tokenizer = vocabulary._tokenizer;
        return new TextVocabulary(TextVocabulary.SizeOf([.. tokenizer.Vocabulary.Values]), vocabulary.Encode, vocabulary.Decode)
        {
            BeginOfSequence = Own(tokenizer, tokenizer.BeginningOfSentenceToken, tokenizer.BeginningOfSentenceId),
            EndOfSequence = Own(tokenizer, tokenizer.EndOfSentenceToken, tokenizer.EndOfSentenceId),
        };
    }

    private static SentencePieceVocabulary Create(byte[] contents)
    {
        try
        {
            return new SentencePieceVocabulary(contents);
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

    private List<int> Encode(string text)
    {
        List<int> result = [];
        foreach (int id in _symbols.Split(_normalizer.Normalize(text)).SelectMany(part => part.Id is { } symbol ? [symbol] : Cut(part.Text)))
        {
            bool repeated = id == _tokenizer.UnknownId && !_tokenizer.ByteFallback && result.Count > 0 && result[^1] == id;
            if (!repeated)                                         // a run of unknown characters is one unknown token
                result.Add(id);
        }
        return result;
    }

    private IEnumerable<int> Cut(string text) => _cut(text).SelectMany(piece => piece.Id == _tokenizer.UnknownId && _tokenizer.ByteFallback
        ? Encoding.UTF8.GetBytes(piece.Text).Select(value => _tokenizer.Vocabulary[$"<0x{value:X2}>"]) : [piece.Id]);

    private string Decode(IEnumerable<int> ids)
    {
        var text = new StringBuilder();
        List<byte> bytes = [];
        bool atStart = true, prefixTaken = false;
        foreach ((string piece, PieceKind kind, _) in ids.Where(id => id < _model.Pieces.Count).Select(id => _model.Pieces[id]))
        {
            if (kind == PieceKind.Byte)
            {
                bytes.Add(SentencePieceModel.ByteOf(piece));
                continue;
            }
            AppendBytes(text, bytes);
            atStart &= !prefixTaken && text.Length == 0;
            bool takePrefix = atStart && (_model.AddDummyPrefix || _model.RemoveExtraWhitespaces) && kind is not (PieceKind.Control or PieceKind.Unknown)
                && piece.StartsWith(Space, StringComparison.Ordinal);
            prefixTaken = takePrefix && !_model.RemoveExtraWhitespaces;
            text.Append(kind switch
            {
                PieceKind.Control => "",
                PieceKind.Unknown => _model.UnknownSurface,
                _ => (takePrefix ? piece[Space.Length..] : piece).Replace(Space, " ", StringComparison.Ordinal),
            });
        }
        AppendBytes(text, bytes);
        return text.ToString();
    }

    /// <summary>Appends the characters that bytes make up; each byte that is part of none becomes U+FFFD.</summary>
    private static void AppendBytes(StringBuilder text, List<byte> bytes)
    {
        for (ReadOnlySpan<byte> rest = bytes.ToArray(); rest.Length > 0;)
        {
            bool valid = Rune.DecodeFromUtf8(rest, out Rune character, out int consumed) == System.Buffers.OperationStatus.Done;
            text.Append(character.ToString());
            rest = rest[(valid ? consumed : 1)..];
        }
        bytes.Clear();
    }
}
