// What pictures are to the network where an autoencoder stands between them.
namespace Microsoft.ML.Transfusion;

/// <summary>The latents that a model was trained on in place of pixels. Immutable; part of a trained model's configuration, which holds the autoencoder too.</summary>
public sealed record LatentConfig
{
    /// <summary>Values at each place.</summary>
    public int NumberOfChannels { get; init; }

    /// <summary>Pixels along one side of a place.</summary>
    public int DownsamplingFactor { get; init; } = 1;

    /// <summary>How many codes there are, where pictures are codes of a <see cref="VqAutoencoder"/> (<see cref="ImageObjective.DiscreteTokens"/>); null where they are continuous.</summary>
    public int? NumberOfCodes { get; init; }

    /// <summary>Mean of each channel over the training data; the network sees values less this.</summary>
    public IReadOnlyList<float> Mean { get; init; } = [];

    /// <summary>Standard deviation of each channel over the training data; the network sees values divided by this.</summary>
    public IReadOnlyList<float> StandardDeviation { get; init; } = [];
}
