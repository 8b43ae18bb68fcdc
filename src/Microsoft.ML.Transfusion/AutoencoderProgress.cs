// What a running Fit of an autoencoder tells its caller.
namespace Microsoft.ML.Transfusion;

/// <summary>The state of an autoencoder's training, reported twice a second at most. Losses are averages since the last report.</summary>
public sealed record AutoencoderProgress
{
    /// <summary>Steps taken so far.</summary>
    public required int Step { get; init; }

    /// <summary>Share of the run that is done, in [0, 1], by steps or by time, whichever is further.</summary>
    public required double Fraction { get; init; }

    /// <summary>Mean absolute difference of a pixel's channel, of a range of 2.</summary>
    public required double ReconstructionLoss { get; init; }

    /// <summary>Distance of the perceptual features.</summary>
    public required double PerceptualLoss { get; init; }

    /// <summary>What the discriminator says of reconstructions, the lower the more they look real; NaN before it takes part.</summary>
    public required double AdversarialLoss { get; init; }

    /// <summary>Of a KL autoencoder the Kullback–Leibler divergence of a picture's latents from the standard normal, in nats; of a VQ one the codebook's loss with the commitment.</summary>
    public required double LatentLoss { get; init; }

    /// <summary>Share of the codes that came up since the last report, in [0, 1]; null for KL autoencoders.</summary>
    public double? CodebookUsage { get; init; }

    /// <summary>Time since training began.</summary>
    public required TimeSpan Elapsed { get; init; }
}
