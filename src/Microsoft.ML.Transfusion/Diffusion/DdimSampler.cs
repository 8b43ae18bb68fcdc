// Implicit sampling (Song et al. 2021, eq. 12): the predicted image, re-noised by the noise that x_t is made of with it, of which a share η is
// fresh. η = 0 is deterministic; η = 1 is DDPM. After clipping, that noise is what is left of x_t once the clipped image is taken out, as in
// OpenAI's code: the step then lands where its image and noise say. (diffusers keeps the noise of the unclipped image unless told otherwise.)
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

internal sealed class DdimSampler(GaussianDiffusion diffusion, IReadOnlyList<ReverseStep> steps, double eta, double sampleBound) : DiffusionSampler
{
    public override IReadOnlyList<double> Timesteps { get; } = [.. steps.Select(step => (double)step.Timestep)];

    public override bool IsStochastic => eta > 0;

    public override Tensor Step(Tensor prediction, int step, Tensor noisySample, Tensor? noise = null)
    {
        using var scope = NewDisposeScope();
        (Tensor sample, Tensor impliedNoise) = diffusion.Interpret(prediction, noisySample, diffusion.Schedule.LevelAt(steps[step].Timestep), sampleBound);
        double alphaCumprod = diffusion.Schedule.AlphaCumprodAt(steps[step].Next);
        double fresh = Round(eta * Round(Math.Sqrt(Posterior.Of(steps[step], diffusion.Schedule).Variance)));
        double kept = Math.Max(Round(Round(1 - alphaCumprod) - Round(fresh * fresh)), 0);        // next to nothing at first, if η = 1
        Tensor next = sample.Times(Math.Sqrt(alphaCumprod)).Plus(impliedNoise.Times(Math.Sqrt(kept)));
        if (fresh > 0)
            next = next.Plus((noise ?? throw new ArgumentNullException(nameof(noise), "DDIM with η above 0 adds noise at every step but the last.")).Times(fresh));
        return next.MoveToOuterDisposeScope();
    }

    private double Round(double value) => diffusion.Schedule.Round(value);
}
