// Byte-pair encoding of a SentencePiece model: the neighbours whose merger is the best piece are merged first, the leftmost of equals.
// Microsoft.ML.Tokenizers 2.0.1 merges "sssss" into s·ss·ss where the original has ss·ss·s, so this one is ours.
using System.Text;

namespace Microsoft.ML.Transfusion.Tokenization;

internal sealed class BpeMerges
{
    private readonly Dictionary<string, (int Id, float Score)>.AlternateLookup<ReadOnlySpan<char>> _pieces;
    private readonly int _unknownId;

    public BpeMerges(SentencePieceModel model, int unknownId) => (_pieces, _unknownId) = (model.NormalPieces.GetAlternateLookup<ReadOnlySpan<char>>(), unknownId);

    /// <summary>Pieces of a normalized text, in order; a character that is no piece is the unknown one.</summary>
    public IReadOnlyList<(int Id, string Text)> Cut(string text)
    {
        var end = new int[text.Length];                            // where the symbol that begins here ends; 0 where none begins
        var previous = new int[text.Length + 1];                   // where the symbol before begins; −1 for none
        var mergers = new PriorityQueue<(int Left, int Middle, int End), (float, int)>();
        for (int start = 0, before = -1; start < text.Length; before = start, start = end[start])
            (end[start], previous[start]) = (start + (Rune.TryGetRuneAt(text, start, out Rune rune) ? rune.Utf16SequenceLength : 1), before);
        for (int start = 0; start < text.Length; start = end[start])
            Consider(start);
        while (mergers.TryDequeue(out (int Left, int Middle, int End) merger, out _))
        {
            if (end[merger.Left] != merger.Middle || end[merger.Middle] != merger.End)
                continue;                                          // one of the two has been merged since
            (end[merger.Left], end[merger.Middle]) = (merger.End, 0);
            if (merger.End < text.Length)
                previous[merger.End] = merger.Left;
            Consider(previous[merger.Left]);
            Consider(merger.Left);
        }
        List<(int, string)> result = [];
        for (int start = 0; start < text.Length; start = end[start])
            result.Add((_pieces.TryGetValue(text.AsSpan(start, end[start] - start), out (int Id, float) piece) ? piece.Id : _unknownId, text[start..end[start]]));
        return result;

        // Offers the merger of the symbol that begins here with the next.
        void Consider(int left)
        {
            if (left < 0 || end[left] == text.Length)
                return;
            int middle = end[left], right = end[middle];
            if (_pieces.TryGetValue(text.AsSpan(left, right - left), out (int, float Score) piece))
                mergers.Enqueue((left, middle, right), (-piece.Score, left));
        }
    }
}
