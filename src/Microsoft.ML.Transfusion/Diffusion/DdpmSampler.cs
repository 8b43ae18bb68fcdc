// Ancestral sampling (Ho et al. 2020): the mean of q(x_s | x_t, x_0) for the predicted image, plus noise.
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

internal sealed class DdpmSampler(GaussianDiffusion diffusion, IReadOnlyList<ReverseStep> steps, DdpmVariance variance, double sampleBound) : DiffusionSampler
{
    public override IReadOnlyList<double> Timesteps { get; } = [.. steps.Select(step => (double)step.Timestep)];

    public override bool IsStochastic => true;

    public override Tensor Step(Tensor prediction, int step, Tensor noisySample, Tensor? noise = null)
    {
        using var scope = NewDisposeScope();
        var posterior = Posterior.Of(steps[step], diffusion.Schedule);
        (Tensor sample, _) = diffusion.Interpret(prediction, noisySample, diffusion.Schedule.LevelAt(steps[step].Timestep), sampleBound);
        Tensor next = sample.Times(posterior.SampleWeight).Plus(noisySample.Times(posterior.NoisyWeight));
        if (steps[step].Next >= 0)                          // a clean image has no noise
        {
            double spread = Math.Sqrt(variance == DdpmVariance.FixedSmall ? posterior.Variance : posterior.Beta);
            next = next.Plus((noise ?? throw new ArgumentNullException(nameof(noise), "DDPM adds noise at every step but the last.")).Times(spread));
        }
        return next.MoveToOuterDisposeScope();
    }
}
