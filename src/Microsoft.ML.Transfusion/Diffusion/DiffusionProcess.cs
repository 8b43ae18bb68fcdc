// How images become noise, what the network learns of it, and how to come back: the paper's Gaussian diffusion, or flow matching.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

/// <summary>Images are [N, ..]; timesteps [N] go from 0, a clean image, to T: whole numbers for DDPM, any for flow matching.</summary>
internal abstract class DiffusionProcess : IDisposable
{
    private protected const double ImageBound = 1;

    public static DiffusionProcess Create(DiffusionConfig config, Device device) => config.Objective switch
    {
        DiffusionObjective.Ddpm => new GaussianDiffusion(config, device),
        DiffusionObjective.FlowMatching => new FlowMatching(config),
        _ => throw new ArgumentOutOfRangeException(nameof(config), config.Objective, "Unknown diffusion objective."),
    };

    /// <summary>Mixes noise into clean images.</summary>
    public abstract Tensor AddNoise(Tensor sample, Tensor noise, Tensor timesteps);

    /// <summary>What the network should answer for these images, noises and timesteps.</summary>
    public abstract Tensor Target(Tensor sample, Tensor noise, Tensor timesteps);

    /// <summary>Squared error: the mean of each image, [N].</summary>
    public abstract Tensor Loss(Tensor prediction, Tensor target, Tensor timesteps);

    /// <summary>The way back, for one batch.</summary>
    /// <param name="sampleBound">Predicted images are clipped to ± this, where pictures are; ∞ leaves them.</param>
    /// <exception cref="ArgumentException">The options do not suit this process; the message says what would.</exception>
    public abstract DiffusionSampler CreateSampler(GenerationOptions options, double sampleBound = ImageBound);

    public virtual void Dispose()
    {
    }
}
