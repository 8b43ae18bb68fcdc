// Runs of one to four words and how often they occur: what BLEU and CIDEr count. A run is its words with blanks between them.
using System.Runtime.InteropServices;

namespace Microsoft.ML.Transfusion.Evaluation;

internal static class NGrams
{
    public const int LargestOrder = 4;

    /// <summary>The runs of all orders up to <see cref="LargestOrder"/>.</summary>
    public static IEnumerable<string> Of(string[] words) => Enumerable.Range(1, LargestOrder).SelectMany(order => Of(words, order));

    /// <summary>How often each run of <paramref name="order"/> words occurs.</summary>
    public static Dictionary<string, int> Count(string[] words, int order)
    {
        Dictionary<string, int> counts = new(StringComparer.Ordinal);
        foreach (string run in Of(words, order))
            CollectionsMarshal.GetValueRefOrAddDefault(counts, run, out _)++;
        return counts;
    }

    private static IEnumerable<string> Of(string[] words, int order) =>
        Enumerable.Range(0, Math.Max(0, words.Length - order + 1)).Select(start => string.Join(' ', words, start, order));
}
