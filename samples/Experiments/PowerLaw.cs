// y = a · Cᵇ through points of compute and loss, how sure its exponent is, and what one recipe needs for what another reaches.
using MathNet.Numerics;

namespace Experiments;

/// <summary>A point that a fit passes by.</summary>
/// <param name="Flops">Of training.</param>
/// <param name="Value">Above 0; lower is better.</param>
internal readonly record struct ScalingPoint(double Flops, double Value);

/// <param name="LogScale">log a.</param>
internal readonly record struct PowerLaw(double LogScale, double Exponent)
{
    public double At(double flops) => Math.Exp(LogScale + Exponent * Math.Log(flops));

    /// <summary>The compute at which a value is reached.</summary>
    public double FlopsFor(double value) => Math.Exp((Math.Log(value) - LogScale) / Exponent);

    /// <summary>Least squares of logarithms.</summary>
    public static PowerLaw Fit(IReadOnlyList<ScalingPoint> points)
    {
        (double intercept, double slope) = MathNet.Numerics.Fit.Line([.. points.Select(point => Math.Log(point.Flops))], [.. points.Select(point => Math.Log(point.Value))]);
        return new PowerLaw(intercept, slope);
    }

    /// <summary>The share of the other recipe's compute that this one needs for what the other reaches at so much (Transfusion §4.2's parity FLOP ratio).</summary>
    public double ParityRatio(PowerLaw other, double flops) => FlopsFor(other.At(flops)) / flops;
}

/// <summary>The middle 95 % of what resampled seeds give.</summary>
internal readonly record struct Interval(double Low, double High)
{
    private const int Resamples = 2000;
    private const double Tail = 0.025;

    public bool Covers(double value) => Low <= value && value <= High;

    /// <summary>Bootstrap (Efron 1979): within every size, seeds are drawn anew with replacement, and the whole computation is repeated.</summary>
    /// <param name="groups">The runs of each size.</param>
    public static Interval Bootstrap(IReadOnlyList<ScalingPoint[]> groups, Func<IReadOnlyList<ScalingPoint[]>, double> compute)
    {
        var random = new Random(1);
        double[] values = [.. Enumerable.Range(0, Resamples).Select(_ => compute([.. groups.Select(group => random.GetItems(group, group.Length))])).Order()];
        return new Interval(values[(int)(Tail * Resamples)], values[(int)((1 - Tail) * Resamples) - 1]);
    }
}
