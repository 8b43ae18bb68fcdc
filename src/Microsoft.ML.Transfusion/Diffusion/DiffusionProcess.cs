// How images become noise, what the network learns of it, and how to come back: the paper's Gaussian diffusion, or flow matching.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

/// <summary>Images are [N, ..]; timesteps [N] go from 0, a clean image, to T: whole numbers for DDPM, any for flow matching.</summary>
internal abstract class DiffusionProcess : IDisposable
{
    private protected const double ImageBound = 1;

    /// <summary>T: how noisy the noisiest images are.</summary>
    public abstract int NumberOfTimesteps { get; }

    /// <summary>Where images, noise and predictions are.</summary>
    public abstract Device Device { get; }

    public static DiffusionProcess Create(DiffusionConfig config, Device device) => config.Objective switch
    {
        DiffusionObjective.Ddpm => new GaussianDiffusion(config, device),
        DiffusionObjective.FlowMatching => new FlowMatching(config, device),
        _ => throw new ArgumentOutOfRangeException(nameof(config), config.Objective, "Unknown diffusion objective."),
    };

    /// <summary>Mixes noise into clean images.</summary>
    public abstract Tensor AddNoise(Tensor sample, Tensor noise, Tensor timesteps);

    /// <summary>What the network should answer for these images, noises and timesteps.</summary>
    public abstract Tensor Target(Tensor sample, Tensor noise, Tensor timesteps);

    /// <summary>Squared error: the mean of each image, [N].</summary>
    public abstract Tensor Loss(Tensor prediction, Tensor target, Tensor timesteps);

    /// <summary>One timestep for several images, as <see cref="AddNoise"/> wants it; [N].</summary>
    public abstract Tensor Timesteps(double timestep, int count);

    /// <summary>The clean images that a prediction implies, not clipped.</summary>
    public abstract Tensor PredictSample(Tensor prediction, Tensor noisySample, double timestep);

    /// <summary>The way back, for one batch.</summary>
    /// <param name="sampleBound">Predicted images are clipped to ± this, where pictures are; ∞ leaves them.</param>
    /// <exception cref="ArgumentException">The options do not suit this process; the message says what would.</exception>
    public abstract DiffusionSampler CreateSampler(GenerationOptions options, double sampleBound = ImageBound);

    public virtual void Dispose()
    {
    }
}
