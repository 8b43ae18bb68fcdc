// The likeliest way to cut a text into the pieces of a unigram model (Kudo 2018, §3.1), by Viterbi's algorithm. Microsoft.ML.Tokenizers has one
// too; this one breaks ties as the original does, so that "..." becomes the same two pieces everywhere.
using System.Text;

namespace Microsoft.ML.Transfusion.Tokenization;

internal sealed class UnigramSearch
{
    private const float UnknownPenalty = 10;                       // an unknown character is this much less likely than the rarest piece

    private readonly Dictionary<string, (int Id, float Score)>.AlternateLookup<ReadOnlySpan<char>> _pieces;
    private readonly int _longest;
    private readonly float _unknownScore;
    private readonly int _unknownId;

    public UnigramSearch(SentencePieceModel model, int unknownId)
    {
        _unknownId = unknownId;
        Dictionary<string, (int Id, float Score)> pieces = model.NormalPieces;
        _pieces = pieces.GetAlternateLookup<ReadOnlySpan<char>>();
        _longest = pieces.Keys.Select(text => text.Length).DefaultIfEmpty(1).Max();
        _unknownScore = pieces.Values.Select(piece => piece.Score).DefaultIfEmpty(0).Min() - UnknownPenalty;
    }

    /// <summary>Pieces of a normalized text, in order; a character that no piece covers is the unknown one.</summary>
    public IReadOnlyList<(int Id, string Text)> Cut(string text)
    {
        var best = new (float Score, int Start, int Id)[text.Length + 1];      // of the text up to here: its last piece begins at Start
        Array.Fill(best, (0, -1, -1));
        for (int start = 0; start < text.Length;)
        {
            int character = Rune.TryGetRuneAt(text, start, out Rune rune) ? rune.Utf16SequenceLength : 1;
            bool covered = false;
            for (int length = 1; length <= Math.Min(_longest, text.Length - start); length++)
            {
                if (!_pieces.TryGetValue(text.AsSpan(start, length), out (int Id, float Score) piece))
                    continue;
                Offer(start, length, piece.Id, (double)piece.Score + best[start].Score);
                covered |= length == character;
            }
            if (!covered)
                Offer(start, character, _unknownId, _unknownScore + best[start].Score);
            start += character;
        }
        List<(int, string)> pieces = [];
        for (int end = text.Length; end > 0; end = best[end].Start)
            pieces.Add((best[end].Id, text[best[end].Start..end]));
        pieces.Reverse();
        return pieces;

        // The original keeps sums in 32 bits and compares them with new ones in 64: the last bit decides between equals.
        void Offer(int start, int length, int id, double score)
        {
            ref (float Score, int Start, int Id) target = ref best[start + length];
            if (target.Start < 0 || score > target.Score)
                target = ((float)score, start, id);
        }
    }
}
