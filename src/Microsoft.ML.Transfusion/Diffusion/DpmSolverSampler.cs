// DPM-Solver++ (Lu et al. 2022, algorithm 2 and appendix): solves the deterministic process exactly but for the predicted image, which it
// extrapolates in λ from the last one, two or three predictions. Good from about 10 steps.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

internal sealed class DpmSolverSampler : DiffusionSampler
{
    private const int FewSteps = 15;                        // below this, the last steps are unstable at a high order
    private readonly GaussianDiffusion _diffusion;
    private readonly DpmSolverOptions _options;
    private readonly double _sampleBound;
    private readonly NoiseLevel[] _levels;                  // one more than there are steps
    private readonly Tensor?[] _samples;                    // the predicted image of each step; disposed once the order looks no further back

    public DpmSolverSampler(GaussianDiffusion diffusion, int steps, TimestepSpacing spacing, int offset, DpmSolverOptions options, double sampleBound)
    {
        (_diffusion, _options, _sampleBound) = (diffusion, options, sampleBound);
        (Timesteps, Sigmas) = DpmSolverSigmas.Of(diffusion.Schedule, steps, spacing, offset, options);
        _levels = [.. Sigmas.Select(diffusion.Schedule.LevelOfSigma)];
        _samples = new Tensor?[steps];
    }

    public override IReadOnlyList<double> Timesteps { get; }

    public override bool IsStochastic => _options.IsStochastic;

    /// <summary>σ before each step, and after the last.</summary>
    public IReadOnlyList<double> Sigmas { get; }

    public override Tensor Step(Tensor prediction, int step, Tensor noisySample, Tensor? noise = null)
    {
        using var scope = NewDisposeScope();
        if (step >= _options.Order)
            _samples[step - _options.Order]?.Dispose();
        Tensor sample = _diffusion.Interpret(prediction, noisySample, _levels[step], _sampleBound).Sample;
        _samples[step] = sample.DetachFromDisposeScope();
        NoiseLevel from = _levels[step], to = _levels[step + 1];
        double h = to.Lambda - from.Lambda;                                                     // ∞ towards a clean image
        double span = IsStochastic ? 2 * h : h, decay = Math.Exp(-span);                        // fresh noise forgets twice as fast
        Tensor next = noisySample.Times(to.Spread / from.Spread * (IsStochastic ? Math.Exp(-h) : 1)).Plus(sample.Times(to.Signal * (1 - decay)));
        int order = OrderOf(step);
        if (order > 1)
        {
            (Tensor slope, Tensor? curve) = Differences(step, order, h);
            bool isMidpoint = order == 2 && _options.Type == DpmSolverType.Midpoint;
            next = next.Plus(slope.Times(to.Signal * (isMidpoint ? (1 - decay) / 2 : (decay - 1) / span + 1)));
            if (curve is not null)
                next -= curve.Times(to.Signal * ((decay - 1 + h) / (h * h) - 0.5));
        }
        if (IsStochastic && to.Spread > 0)
        {
            noise = noise ?? throw new ArgumentNullException(nameof(noise), "Stochastic DPM-Solver++ adds noise at every step but the last.");
            next = next.Plus(noise.Times(to.Spread * Math.Sqrt(1 - decay)));
        }
        return next.MoveToOuterDisposeScope();
    }

    public override void Dispose()
    {
        foreach (Tensor? sample in _samples)
            sample?.Dispose();
        base.Dispose();
    }

    /// <summary>The order of a step: as many predictions as there are yet, fewer at the end, where λ runs away to the clean image.</summary>
    private int OrderOf(int step)
    {
        int left = Timesteps.Count - step;                  // 1 at the last step
        bool lowerFinal = _options.LowerOrderFinal && Timesteps.Count < FewSteps;
        int limit = left == 1 && (lowerFinal || Sigmas[^1] == 0) ? 1 : left == 2 && lowerFinal ? 2 : step + 1;
        return Math.Min(limit, Math.Min(_options.Order, step - FirstStep + 1));
    }

    /// <summary>How the predicted image changes with λ, as divided differences over the last predictions, in units of h and h².</summary>
    private (Tensor Slope, Tensor? Curve) Differences(int step, int order, double h)
    {
        double Ratio(int back) => (_levels[step - back].Lambda - _levels[step - back - 1].Lambda) / h;
        double r0 = Ratio(0);
        Tensor recent = (_samples[step]! - _samples[step - 1]!).DividedBy(r0);
        if (order == 2)
            return (recent, null);
        double r1 = Ratio(1);
        Tensor earlier = (_samples[step - 1]! - _samples[step - 2]!).DividedBy(r1);
        Tensor curve = (recent - earlier).DividedBy(r0 + r1);
        return (recent.Plus(curve.Times(r0)), curve);
    }
}
