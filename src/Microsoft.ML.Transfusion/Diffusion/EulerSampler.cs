// Flow matching's ordinary differential equation dx/dσ = v, solved by Euler's method from noise (σ = 1) to the image (σ = 0)
// (Liu et al. 2022; the shift towards high noise: Esser et al. 2024, eq. 23).
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

/// <param name="sigmas">The noise levels of the walk, falling, 0 at its end: one more than there are steps.</param>
internal sealed class EulerSampler(IReadOnlyList<double> sigmas, int numberOfTrainTimesteps, double sampleBound) : DiffusionSampler
{
    public override IReadOnlyList<double> Timesteps { get; } = [.. sigmas.SkipLast(1).Select(sigma => sigma * numberOfTrainTimesteps)];

    public override Tensor Step(Tensor prediction, int step, Tensor noisySample, Tensor? noise = null)
    {
        using var scope = NewDisposeScope();
        double sigma = sigmas[step], next = sigmas[step + 1];
        if (double.IsFinite(sampleBound))                   // towards the clipped image instead
            prediction = (noisySample - (noisySample - prediction.Times(sigma)).Clamp(-sampleBound, sampleBound)).DividedBy(sigma);
        return noisySample.Plus(prediction.Times(next - sigma)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Noise levels for a number of steps, falling from 1; 0 is appended. The shift s moves them to s·σ / (1 + (s − 1)·σ): s above 1 gives high noise
    /// more of the steps, where larger images are decided.
    /// </summary>
    public static double[] Sigmas(int total, int steps, TimestepSpacing spacing, double shift)
    {
        double Shift(double sigma) => shift * sigma / (1 + (shift - 1) * sigma);
        double last = Shift(1.0 / total);                   // the least noise of training; linear spacing ends there, in shifted values, as SD3's does
        IEnumerable<double> sigmas = spacing switch
        {
            TimestepSpacing.Trailing => Enumerable.Range(0, steps).Select(i => 1 - (double)i / steps),
            TimestepSpacing.Linspace => Enumerable.Range(0, steps).Select(i => 1 + (last - 1) * i / Math.Max(steps - 1, 1)),
            _ => throw new ArgumentOutOfRangeException(nameof(spacing), spacing, "Flow matching starts at pure noise; take trailing or linear spacing."),
        };
        return [.. sigmas.Select(Shift), 0];
    }
}
