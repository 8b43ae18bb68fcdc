// What a few seeds tell of a number: its mean, and where it lies with 95 % confidence.
using MathNet.Numerics.Distributions;
using MathNet.Numerics.Statistics;

namespace Experiments;

/// <param name="HalfWidth">Of the 95 % interval by Student's t; NaN of a single value.</param>
internal readonly record struct Estimate(double Mean, double HalfWidth)
{
    private const double UpperTail = 0.975;

    /// <summary>Whether the interval covers zero, so that not even the sign is known.</summary>
    public bool CoversZero => !(Math.Abs(Mean) > HalfWidth);

    public static Estimate Of(IReadOnlyList<double> values) => new(values.Mean(),
        values.Count < 2 ? double.NaN : StudentT.InvCDF(0, 1, values.Count - 1, UpperTail) * values.StandardDeviation() / Math.Sqrt(values.Count));
}
