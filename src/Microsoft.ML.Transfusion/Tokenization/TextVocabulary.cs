// What the three kinds of vocabulary have in common.
namespace Microsoft.ML.Transfusion.Tokenization;

/// <param name="Size">One more than the largest id.</param>
/// <param name="Encode">Well-formed text to ids; safe for many threads.</param>
/// <param name="Decode">Ids below <paramref name="Size"/> to text; safe for many threads.</param>
internal sealed record TextVocabulary(int Size, Func<string, IReadOnlyList<int>> Encode, Func<IEnumerable<int>, string?> Decode)
{
    private const int LargestSize = 1 << 24;

    /// <summary>The vocabulary's own id, if it brings one.</summary>
    public int? BeginOfSequence { get; init; }

    /// <summary>The vocabulary's own id, if it brings one.</summary>
    public int? EndOfSequence { get; init; }

    /// <summary>The size of a vocabulary with these ids, which a file may have wrong.</summary>
    public static int SizeOf(IReadOnlyCollection<int> ids)
    {
        if (ids.Count == 0)
            throw new FormatException("The vocabulary is empty.");
        if (ids.Min() < 0 || ids.Max() >= LargestSize)
            throw new FormatException($"The vocabulary has ids from {ids.Min()} to {ids.Max()}; they must lie in 0…{LargestSize - 1}.");
        if (ids.Distinct().Count() != ids.Count)
            throw new FormatException("The vocabulary gives one id to two tokens.");
        return ids.Max() + 1;
    }
}
