using Experiments;

namespace Microsoft.ML.Transfusion.Samples.Tests.Experiments;

public sealed class PowerLawTests
{
    private static readonly double[] Compute = [1e11, 3e11, 1e12, 4e12];

    [Fact]
    public void Fit_finds_the_law_that_points_lie_on()
    {
        PowerLaw law = PowerLaw.Fit([.. Compute.Select(flops => new ScalingPoint(flops, 7 * Math.Pow(flops, -0.2)))]);

        Assert.Equal(-0.2, law.Exponent, 10);
        Assert.Equal(7 * Math.Pow(2e12, -0.2), law.At(2e12), 10);
        Assert.Equal(2e12, law.FlopsFor(law.At(2e12)), 2e12 * 1e-9);
    }

    [Theory]
    [InlineData(0.25)]
    [InlineData(1)]
    [InlineData(3)]
    public void The_parity_ratio_is_the_factor_of_compute_between_two_recipes(double factor)
    {
        static PowerLaw Law(double scale) => PowerLaw.Fit([.. Compute.Select(flops => new ScalingPoint(flops, Math.Pow(flops / scale, -0.3)))]);

        // The first reaches at factor · C what the second reaches at C.
        Assert.Equal(factor, Law(factor).ParityRatio(Law(1), 1e12), 9);
    }

    [Fact]
    public void The_bootstrap_covers_the_exponent_behind_noisy_seeds_and_is_narrow_where_there_is_no_noise()
    {
        var random = new Random(1);
        List<ScalingPoint[]> Groups(double noise) => [.. Compute.Select(flops => Enumerable.Range(0, 5).Select(_ => new ScalingPoint(flops, Math.Pow(flops, -0.1) * Math.Exp(noise * (random.NextDouble() - 0.5)))).ToArray())];
        static double Exponent(IReadOnlyList<ScalingPoint[]> groups) => PowerLaw.Fit([.. groups.SelectMany(group => group)]).Exponent;

        var noisy = Interval.Bootstrap(Groups(0.2), Exponent);
        var exact = Interval.Bootstrap(Groups(0), Exponent);

        Assert.True(noisy.Covers(-0.1), $"{noisy}");
        Assert.InRange(noisy.High - noisy.Low, 0.005, 0.1);
        Assert.InRange(exact.High - exact.Low, 0, 1e-9);
    }

    [Fact]
    public void An_estimate_is_students_interval()
    {
        // Three values of mean 2 and deviation 1: half the interval is 4.3027 / √3.
        var estimate = Estimate.Of([1, 2, 3]);

        Assert.Equal(2, estimate.Mean, 10);
        Assert.Equal(4.302653 / Math.Sqrt(3), estimate.HalfWidth, 5);
        Assert.True(estimate.CoversZero);
        Assert.False(Estimate.Of([1.9, 2, 2.1]).CoversZero);
        Assert.True(double.IsNaN(Estimate.Of([2]).HalfWidth) && Estimate.Of([2]).CoversZero);
    }
}
