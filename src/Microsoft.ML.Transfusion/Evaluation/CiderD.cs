// CIDEr-D (Vedantam et al. 2015, §5) as coco-caption computes it under the name CIDEr: for each order n, the cosine of tf-idf vectors whose
// candidate entries are clipped to the reference's, times a Gaussian of the difference in length; mean over n and references, times 10.
namespace Microsoft.ML.Transfusion.Evaluation;

internal sealed class CiderD(CaptionDocumentFrequencies frequencies)
{
    private const double Sigma = 6, Scale = 10;

    private readonly double _logDocuments = Math.Log(frequencies.NumberOfImages);

    public double Of(CaptionPair pair)
    {
        Vectors candidate = ToVectors(pair.Candidate);
        return Scale * pair.References.Average(reference => Similarity(candidate, ToVectors(reference)));
    }

    private static double Similarity(Vectors candidate, Vectors reference)
    {
        double difference = candidate.Length - reference.Length;
        double sum = 0;
        for (int n = 0; n < NGrams.LargestOrder; n++)
        {
            double product = candidate.Entries[n].Sum(entry => reference.Entries[n].TryGetValue(entry.Key, out double other) ? Math.Min(entry.Value, other) * other : 0);
            double norms = candidate.Norms[n] * reference.Norms[n];
            sum += norms == 0 ? 0 : product / norms;
        }
        return sum / NGrams.LargestOrder * Math.Exp(-difference * difference / (2 * Sigma * Sigma));
    }

    private Vectors ToVectors(string[] words)
    {
        Dictionary<string, double>[] entries = [.. Enumerable.Range(1, NGrams.LargestOrder).Select(order => NGrams.Count(words, order)
            .ToDictionary(run => run.Key, run => run.Value * (_logDocuments - Math.Log(Math.Max(1, frequencies.Of(run.Key))))))];
        double[] norms = [.. entries.Select(vector => Math.Sqrt(vector.Values.Sum(value => value * value)))];
        return new Vectors(entries, norms, words.Length);
    }

    /// <param name="Length">In words. The original counts pairs of neighbours; only differences matter, and they are the same.</param>
    private sealed record Vectors(Dictionary<string, double>[] Entries, double[] Norms, int Length);
}
