// What mlContext.Generation.Evaluate returns. docs/evaluation.md says how each number is computed and what it was checked against.
namespace Microsoft.ML.Transfusion;

/// <summary>How good the captions and drawings of a scored view are. A number whose columns the view lacks is null.</summary>
public sealed record TransfusionMetrics
{
    internal TransfusionMetrics()
    {
    }

    /// <summary>Number of rows that were read.</summary>
    public long RowCount { get; internal init; }

    /// <summary>Number of pictures whose captions were compared: rows with a reference, or groups of them.</summary>
    public int? CaptionCount { get; internal init; }

    /// <summary>Share of words that a reference has too, times a penalty for short captions, in [0, 1]; higher is better.</summary>
    public double? Bleu1 { get; internal init; }

    /// <summary>As <see cref="Bleu1"/>, with pairs of words; the geometric mean of both orders.</summary>
    public double? Bleu2 { get; internal init; }

    /// <summary>As <see cref="Bleu2"/>, up to three words.</summary>
    public double? Bleu3 { get; internal init; }

    /// <summary>As <see cref="Bleu2"/>, up to four words.</summary>
    public double? Bleu4 { get; internal init; }

    /// <summary>F-score of the longest common subsequence of words, in [0, 1]; higher is better.</summary>
    public double? RougeL { get; internal init; }

    /// <summary>
    /// CIDEr-D in [0, 10] as coco-caption prints it, higher is better; papers give 100 times that. 0 if there is one picture only and no
    /// table of document frequencies was given.
    /// </summary>
    public double? Cider { get; internal init; }

    /// <summary>Mean negative log-likelihood of a token in nats, over all tokens of all rows: text, and the BOI and EOS around it.</summary>
    public double? LanguageLoss { get; internal init; }

    /// <summary>Number of tokens in that mean.</summary>
    public long? TokenCount { get; internal init; }

    /// <summary>exp of <see cref="LanguageLoss"/>; lower is better. Models of different vocabularies cannot be compared by it.</summary>
    public double? Perplexity { get; internal init; }

    /// <summary>Bits to write a byte of the text in UTF-8; lower is better, whatever the vocabulary.</summary>
    public double? BitsPerByte { get; internal init; }

    /// <summary>Mean squared error of the denoising prediction at fixed timesteps and noise, mean over rows with images; lower is better.</summary>
    public double? DiffusionLoss { get; internal init; }

    /// <summary>Fréchet distance between the features of real and drawn pictures, FID if they are Inception's; lower is better.</summary>
    public double? FrechetDistance { get; internal init; }
}
