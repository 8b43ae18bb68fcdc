// How close captions come to what people wrote, in the few numbers worth watching while a model trains.
using Microsoft.ML.Transfusion.Evaluation;

namespace Microsoft.ML.Transfusion;

/// <summary>Generated captions beside the captions that the pictures have, one each. docs/evaluation.md says how each number is computed.</summary>
public sealed record CaptionScores
{
    internal CaptionScores()
    {
    }

    /// <summary>Number of pictures.</summary>
    public int Count { get; internal init; }

    /// <summary>Share of captions that have the words of the picture's own, in [0, 1]; case and punctuation do not count.</summary>
    public double ExactMatch { get; internal init; }

    /// <summary>BLEU-4, in [0, 1]; higher is better.</summary>
    public double Bleu4 { get; internal init; }

    /// <summary>ROUGE-L, in [0, 1]; higher is better.</summary>
    public double RougeL { get; internal init; }

    /// <summary>CIDEr-D, in [0, 10]; higher is better. Words are weighed by how rare they are among these pictures, so few pictures score strangely, and one scores 0.</summary>
    public double Cider { get; internal init; }

    /// <param name="captions">At least one.</param>
    internal static CaptionScores Of(IEnumerable<(string Generated, string Reference)> captions)
    {
        List<CaptionPair> pairs = [.. captions.Select(caption => new CaptionPair(CaptionTokenizer.Split(caption.Generated), [CaptionTokenizer.Split(caption.Reference)]))];
        CaptionMetrics metrics = CaptionMetrics.OfCorpus(pairs, CaptionDocumentFrequencies.Count(pairs.Select(pair => pair.References)));
        return new CaptionScores
        {
            Count = pairs.Count,
            ExactMatch = pairs.Average(pair => pair.Candidate.SequenceEqual(pair.References[0]) ? 1.0 : 0.0),
            Bleu4 = metrics.Bleu4,
            RougeL = metrics.RougeL,
            Cider = metrics.Cider,
        };
    }
}
