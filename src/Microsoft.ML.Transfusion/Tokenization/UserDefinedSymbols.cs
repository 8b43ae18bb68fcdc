// Pieces of a SentencePiece model that its author defined, such as <image>: always one token, whatever stands around them.
using System.Text;

namespace Microsoft.ML.Transfusion.Tokenization;

internal sealed class UserDefinedSymbols
{
    private readonly (string Text, byte[] Bytes, int Id)[] _symbols;       // the longest first

    public UserDefinedSymbols(SentencePieceModel model) => _symbols = [.. model.Pieces.Index()
        .Where(piece => piece.Item.Kind == PieceKind.UserDefined && piece.Item.Text.Length > 0)
        .Select(piece => (piece.Item.Text, Encoding.UTF8.GetBytes(piece.Item.Text), piece.Index)).OrderByDescending(symbol => symbol.Item2.Length)];

    /// <summary>The longest symbol that the text starts with, or null.</summary>
    public string? LongestAt(ReadOnlySpan<byte> text)
    {
        foreach ((string symbol, byte[] bytes, _) in _symbols)
        {
            if (text.StartsWith(bytes))
                return symbol;
        }
        return null;
    }

    /// <summary>The text from left to right: symbols by their ids, and what stands between them.</summary>
    public IEnumerable<(string Text, int? Id)> Split(string text)
    {
        int start = 0;
        for (int i = 0; i < text.Length && _symbols.Length > 0;)
        {
            (string Text, byte[] Bytes, int Id) symbol = _symbols.FirstOrDefault(symbol => string.CompareOrdinal(text, i, symbol.Text, 0, symbol.Text.Length) == 0);
            if (symbol.Text is null)
            {
                i++;
                continue;
            }
            if (i > start)
                yield return (text[start..i], null);
            yield return (symbol.Text, symbol.Id);
            start = i += symbol.Text.Length;
        }
        if (start < text.Length)
            yield return (text[start..], null);
    }
}
