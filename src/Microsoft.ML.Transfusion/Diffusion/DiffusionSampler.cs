// The reverse process: from x_t to x_{t−1} given the network's prediction. DDPM: Ho et al. 2020, eq. 7; DDIM: Song et al. 2021, eq. 12, η = 0.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

/// <summary>One way to take reverse steps, with its timesteps, descending.</summary>
internal abstract class DiffusionSampler
{
    private const double SampleBound = 1;                   // images are in [−1, 1], so the implied clean image is clipped there
    private readonly GaussianDiffusion _diffusion;
    private readonly int _stride;
    private readonly bool _clipSample;

    private protected DiffusionSampler(GaussianDiffusion diffusion, int numberOfInferenceSteps, TimestepSpacing spacing, bool clipSample)
    {
        int total = diffusion.Schedule.NumberOfTimesteps;
        if (numberOfInferenceSteps < 1 || numberOfInferenceSteps > total)
            throw new ArgumentOutOfRangeException(nameof(numberOfInferenceSteps), numberOfInferenceSteps, $"Take 1 to {total} inference steps: the model was trained with {total} timesteps.");
        (_diffusion, _clipSample) = (diffusion, clipSample);
        _stride = total / numberOfInferenceSteps;
        Timesteps = Space(total, numberOfInferenceSteps, spacing);
    }

    public IReadOnlyList<int> Timesteps { get; }

    /// <summary>Whether a step uses the noise it is given.</summary>
    public abstract bool IsStochastic { get; }

    public static DiffusionSampler Create(GaussianDiffusion diffusion, GenerationOptions options, bool clipSample = true) => options.Sampler switch
    {
        DiffusionSamplerType.Ddpm => new DdpmSampler(diffusion, options.NumberOfInferenceSteps, options.Spacing, clipSample),
        DiffusionSamplerType.Ddim => new DdimSampler(diffusion, options.NumberOfInferenceSteps, options.Spacing, clipSample),
        _ => throw new ArgumentOutOfRangeException(nameof(options), options.Sampler, "Unknown sampler."),
    };

    /// <summary>From x_t to x_{t−1}; all tensors have the shape of the images.</summary>
    /// <param name="prediction">The network's prediction at <paramref name="timestep"/>.</param>
    /// <param name="timestep">One of <see cref="Timesteps"/>.</param>
    /// <param name="noisySample">x_t.</param>
    /// <param name="noise">Fresh standard normal noise; ignored by a deterministic sampler and by the last step.</param>
    public Tensor Step(Tensor prediction, int timestep, Tensor noisySample, Tensor? noise)
    {
        using var scope = NewDisposeScope();
        (Tensor sample, Tensor impliedNoise) = _diffusion.Interpret(prediction, noisySample, timestep);
        if (_clipSample)
            sample = sample.clamp(-SampleBound, SampleBound);
        double alphaCumprod = _diffusion.Schedule.AlphasCumprod[timestep];
        double previous = _diffusion.Schedule.AlphaCumprodAt(timestep - _stride);
        return Step(sample, impliedNoise, noisySample, alphaCumprod, previous, noise).MoveToOuterDisposeScope();
    }

    private protected abstract Tensor Step(Tensor sample, Tensor impliedNoise, Tensor noisySample, double alphaCumprod, double previousAlphaCumprod, Tensor? noise);

    private static int[] Space(int total, int steps, TimestepSpacing spacing) => spacing switch
    {
        TimestepSpacing.Leading => [.. Enumerable.Range(0, steps).Select(i => (steps - 1 - i) * (total / steps))],
        TimestepSpacing.Trailing => [.. Enumerable.Range(0, steps).Select(i => (int)Math.Round(total - i * (double)total / steps) - 1)],
        TimestepSpacing.Linspace => [.. Enumerable.Range(0, steps).Select(i => (int)Math.Round((total - 1.0) * (steps - 1 - i) / Math.Max(steps - 1, 1)))],
        _ => throw new ArgumentOutOfRangeException(nameof(spacing), spacing, "Unknown timestep spacing."),
    };
}
