// How likely given texts are as continuations of prompts: classification by ranking, as the Llama suite's multiple choice is evaluated (Transfusion §4.1).
using Microsoft.ML.Transfusion.Modeling;

namespace Microsoft.ML.Transfusion.Generation;

internal static class CaptionRanker
{
    /// <summary>log p(text, EOS | prompt) of every prompt's candidates: [prompts][candidates]. Prompts are read once.</summary>
    /// <param name="prompts">What is read before the text, one row each.</param>
    /// <param name="candidates">Token ids, of each prompt's candidates.</param>
    /// <param name="allowed">Tokens among which probabilities are shared out: text and EOS.</param>
    public static double[][] Rank(IInferenceNetwork network, IReadOnlyList<IReadOnlyList<PassPart>> prompts, IReadOnlyList<IReadOnlyList<int[]>> candidates, int endOfSequence, bool[] allowed)
    {
        List<RowPass> read = [.. prompts.Select(parts => new RowPass(network.CreateCache(parts.Sum(part => part.TokenIds?.Length ?? part.PatchCount)), parts, PassResult.LastLogits))];
        var passes = new List<RowPass>();
        try
        {
            network.Run(read);
            foreach ((RowPass prompt, IReadOnlyList<int[]> ofPrompt) in read.Zip(candidates))
                foreach (int[] candidate in ofPrompt.Where(candidate => candidate.Length > 0))
                    passes.Add(new RowPass(prompt.Cache.Clone(prompt.Cache.Length + candidate.Length), [PassPart.Tokens(candidate)], PassResult.Logits));
            if (passes.Count > 0)
                network.Run(passes);
            var answers = new Queue<RowPass>(passes);
            return [.. read.Zip(candidates, (prompt, ofPrompt) => ofPrompt.Select(candidate => LogLikelihood(prompt, candidate, endOfSequence, allowed, answers)).ToArray())];
        }
        finally
        {
            foreach (RowPass pass in read.Concat(passes))
                pass.Cache.Dispose();
        }
    }

    private static double LogLikelihood(RowPass prompt, int[] candidate, int endOfSequence, bool[] allowed, Queue<RowPass> answers)
    {
        float[] logits = candidate.Length == 0 ? [] : answers.Dequeue().Result;
        double sum = 0;
        for (int at = 0; at <= candidate.Length; at++)
        {
            ReadOnlySpan<float> before = at == 0 ? prompt.Result : logits.AsSpan((at - 1) * allowed.Length, allowed.Length);
            sum += TokenSampler.LogProbability(before, allowed, at < candidate.Length ? candidate[at] : endOfSequence);
        }
        return sum;
    }
}
