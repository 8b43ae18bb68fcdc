// ROUGE-L (Lin 2004) as coco-caption computes it: the F-score of the longest common subsequence, with recall weighed by β = 1.2, from the
// best precision and the best recall over all references, which may be two different ones. A corpus scores the mean.
namespace Microsoft.ML.Transfusion.Evaluation;

internal static class RougeL
{
    private const double Beta = 1.2;

    public static double Of(CaptionPair pair)
    {
        double precision = 0, recall = 0;
        foreach (string[] reference in pair.References)
        {
            double common = LongestCommonSubsequence(pair.Candidate, reference);
            if (common == 0)
                continue;
            precision = Math.Max(precision, common / pair.Candidate.Length);
            recall = Math.Max(recall, common / reference.Length);
        }
        return precision == 0 ? 0 : (1 + Beta * Beta) * precision * recall / (recall + Beta * Beta * precision);
    }

    private static int LongestCommonSubsequence(string[] first, string[] second)
    {
        int[] before = new int[second.Length + 1], now = new int[second.Length + 1];
        foreach (string word in first)
        {
            for (int j = 1; j <= second.Length; j++)
                now[j] = word == second[j - 1] ? before[j - 1] + 1 : Math.Max(before[j], now[j - 1]);
            (before, now) = (now, before);
        }
        return before[second.Length];
    }
}
