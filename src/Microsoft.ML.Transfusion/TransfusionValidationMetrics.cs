// What an experiment compares runs by. Losses of different recipes are not comparable as numbers; these are.
namespace Microsoft.ML.Transfusion;

/// <summary>How well a model reads and draws held-out documents, in numbers that do not depend on what its network predicts. Lower is better.</summary>
public sealed record TransfusionValidationMetrics
{
    internal TransfusionValidationMetrics()
    {
    }

    /// <summary>Mean negative log-likelihood of a token in nats, texts of pairs given their clean pictures; null where there is no text.</summary>
    public double? LanguageLoss { get; internal init; }

    /// <summary>
    /// Squared error of the clean picture that the network's prediction implies, mean over values in [−1, 1], pictures of pairs given their texts:
    /// the geometric mean over four fixed levels of noise. Null where there are no pictures.
    /// </summary>
    public double? PictureError { get; internal init; }

    /// <summary>
    /// What runs are ranked by: the geometric mean of <see cref="LanguageLoss"/> and <see cref="PictureError"/>, or the one that there is. A tenth less
    /// counts the same in either, and no weight has to be chosen between nats and squared pixels.
    /// </summary>
    public double Score => (LanguageLoss, PictureError) switch
    {
        ({ } language, { } picture) => Math.Sqrt(language * picture),
        _ => LanguageLoss ?? PictureError ?? double.NaN,
    };
}
