// BLEU-1 to BLEU-4 (Papineni et al. 2002) as coco-caption computes them: the geometric mean of n-gram precisions, times a penalty for
// captions shorter than their closest reference. Over a corpus the counts are added first; the score is not the mean of the captions'.
namespace Microsoft.ML.Transfusion.Evaluation;

internal static class BleuScore
{
    private const double Tiny = 1e-15, Small = 1e-9;               // added above and below every fraction, which keeps a zero from ending the product

    /// <summary>BLEU-1 to BLEU-4 over all captions.</summary>
    public static double[] OfCorpus(IEnumerable<CaptionPair> pairs) => Score(pairs.Select(Counts.Of).Aggregate(Counts.None, (sum, counts) => sum.Add(counts)));

    /// <summary>BLEU-1 to BLEU-4 of one caption.</summary>
    public static double[] Of(CaptionPair pair) => Score(Counts.Of(pair));

    private static double[] Score(Counts counts)
    {
        double ratio = (counts.Length + Tiny) / (counts.ReferenceLength + Small);
        double penalty = ratio < 1 ? Math.Exp(1 - 1 / ratio) : 1;
        var scores = new double[NGrams.LargestOrder];
        double product = 1;
        for (int n = 1; n <= scores.Length; n++)
        {
            product *= (counts.Matches[n - 1] + Tiny) / (counts.Total[n - 1] + Small);
            scores[n - 1] = penalty * Math.Pow(product, 1.0 / n);
        }
        return scores;
    }

    /// <param name="Matches">For each order, the n-grams that a reference has too, each at most as often as the reference that has it most often.</param>
    /// <param name="Total">For each order, the caption's n-grams.</param>
    private sealed record Counts(int Length, int ReferenceLength, long[] Matches, long[] Total)
    {
        public static Counts None { get; } = new(0, 0, new long[NGrams.LargestOrder], new long[NGrams.LargestOrder]);

        public static Counts Of(CaptionPair pair)
        {
            int length = pair.Candidate.Length;
            int closest = pair.References.Select(reference => reference.Length).MinBy(other => (Math.Abs(other - length), other));     // the shorter of two as close
            int[] orders = [.. Enumerable.Range(1, NGrams.LargestOrder)];
            return new Counts(length, closest, [.. orders.Select(order => MatchesOf(pair, order))], [.. orders.Select(order => (long)Math.Max(0, length - order + 1))]);
        }

        public Counts Add(Counts other) => new(Length + other.Length, ReferenceLength + other.ReferenceLength,
            [.. Matches.Zip(other.Matches, (a, b) => a + b)], [.. Total.Zip(other.Total, (a, b) => a + b)]);

        private static long MatchesOf(CaptionPair pair, int order)
        {
            List<Dictionary<string, int>> references = [.. pair.References.Select(reference => NGrams.Count(reference, order))];
            return NGrams.Count(pair.Candidate, order).Sum(run => (long)Math.Min(run.Value, references.Max(counts => counts.GetValueOrDefault(run.Key))));
        }
    }
}
