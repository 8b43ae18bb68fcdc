// What a training run of an autoencoder is told.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

/// <param name="Optimizer">Of the autoencoder and of its discriminator.</param>
/// <param name="Steps">At most so many; null leaves it to the time.</param>
/// <param name="AdversarialStart">Share of the run after which the discriminator takes part.</param>
/// <param name="Report">Called now and then.</param>
internal sealed record AutoencoderOptions(OptimizerConfig Optimizer, int? Steps, TimeSpan? Time, int Seed, Device Device, double PerceptualWeight, double AdversarialWeight,
    double AdversarialStart, double DivergenceWeight, bool HorizontalFlip, Action<AutoencoderProgress> Report, CancellationToken CancellationToken);
