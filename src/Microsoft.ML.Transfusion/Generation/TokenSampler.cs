// From logits to a token: greedy, or sampled by temperature among the top k, the nucleus p and what is at least a share of the likeliest.
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Generation;

internal static class TokenSampler
{
    /// <summary>Logits [V] → a token id and its log-probability under the model itself, among the allowed ones.</summary>
    /// <param name="allowed">Whether each id may come out, [V].</param>
    /// <param name="earlier">Tokens that the repetition penalty makes less likely.</param>
    public static (int Token, double LogProbability) Sample(ReadOnlySpan<float> logits, bool[] allowed, GenerationOptions options, IEnumerable<int> earlier, Generator generator)
    {
        double[] scores = new double[logits.Length];
        for (int id = 0; id < scores.Length; id++)
            scores[id] = allowed[id] ? logits[id] : double.NegativeInfinity;
        if (options.RepetitionPenalty != 1)
            foreach (int id in earlier.Distinct())
                scores[id] = scores[id] > 0 ? scores[id] / options.RepetitionPenalty : scores[id] * options.RepetitionPenalty;        // Keskar et al. 2019, §4.1
        int token = options.Temperature == 0 ? Likeliest(scores) : Draw(scores, options, generator);
        return (token, LogProbability(logits, allowed, token));
    }

    /// <summary>log p(token) under the model itself, among the allowed ids.</summary>
    public static double LogProbability(ReadOnlySpan<float> logits, bool[] allowed, int token)
    {
        double largest = double.NegativeInfinity, sum = 0;
        for (int id = 0; id < logits.Length; id++)
            if (allowed[id])
                largest = Math.Max(largest, logits[id]);
        for (int id = 0; id < logits.Length; id++)
            if (allowed[id])
                sum += Math.Exp(logits[id] - largest);
        return logits[token] - largest - Math.Log(sum);
    }

    private static int Likeliest(double[] scores)
    {
        int best = 0;
        for (int id = 1; id < scores.Length; id++)
            if (scores[id] > scores[best])
                best = id;
        return best;
    }

    private static int Draw(double[] scores, GenerationOptions options, Generator generator)
    {
        int[] ids = [.. Enumerable.Range(0, scores.Length).OrderByDescending(id => scores[id])];       // equal ones in their order: OrderBy is stable
        double[] weights = [.. ids.Select(id => Math.Exp((scores[id] - scores[ids[0]]) / options.Temperature))];
        double total = weights.Sum(), before = 0;
        int kept = 0;
        while (kept < ids.Length && weights[kept] > 0
            && (options.TopK == 0 || kept < options.TopK)
            && (options.TopP == 1 || before < options.TopP * total)                                      // the one that crosses p stays
            && weights[kept] >= options.MinP)                                                            // of the likeliest one's, which is 1
            before += weights[kept++];
        using Tensor uniform = rand(1, ScalarType.Float64, generator: generator);
        double place = uniform.data<double>()[0] * before, sum = 0;
        for (int at = 0; at < kept - 1; at++)
        {
            sum += weights[at];
            if (place < sum)
                return ids[at];
        }
        return ids[kept - 1];
    }
}
