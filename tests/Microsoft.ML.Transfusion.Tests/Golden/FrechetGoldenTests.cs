// The Fréchet distance of pytorch-fid, with the means and covariances (np.cov) it started from.
using System.Text.Json;
using Microsoft.ML.Transfusion.Evaluation;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public class FrechetGoldenTests
{
    [SkippableFact]
    public void Distances_are_those_of_pytorch_fid()
    {
        using var scope = NewDisposeScope();
        GoldenFile golden = GoldenFile.Open("frechet");
        foreach ((string name, double expected) in Cases(golden))
        {
            double spread = golden[$"{name}.sigma1"].trace().ToDouble() + golden[$"{name}.sigma2"].trace().ToDouble();
            double actual = FrechetDistance.Between(golden[$"{name}.mu1"], golden[$"{name}.sigma1"], golden[$"{name}.mu2"], golden[$"{name}.sigma2"]);
            if (expected > 1e-6 * spread)
                golden.Check(Quantity("distance", golden, name), expected, actual, IsSingular(golden, name) ? 1e-3 : 1e-9, relative: true);
            else
                golden.Check("distance, identical", expected, actual, 1e-9 * spread);
        }
    }

    [SkippableFact]
    public void Means_and_covariances_are_those_of_numpy()
    {
        using var scope = NewDisposeScope();
        GoldenFile golden = GoldenFile.Open("frechet");
        foreach ((string name, _) in Cases(golden))
        {
            foreach (int side in (int[])[1, 2])
            {
                FeatureStatistics statistics = Compute(golden[$"{name}.features{side}"]);
                golden.Check("mean", golden[$"{name}.mu{side}"], tensor(statistics.Mean.ToArray()), Tolerance(golden[$"{name}.mu{side}"]), name);
                golden.Check("covariance", golden[$"{name}.sigma{side}"], tensor(statistics.Covariance.ToArray()).reshape(statistics.Dimension, -1),
                    Tolerance(golden[$"{name}.sigma{side}"]), name);
            }
        }
    }

    private static double Tolerance(Tensor expected) => 1e-12 * Math.Max(1, expected.abs().max().ToDouble());

    private static FeatureStatistics Compute(Tensor features)
    {
        using var sums = new FeatureAccumulator((int)features.shape[1]);
        double[] values = features.data<double>().ToArray();
        for (int row = 0; row < features.shape[0]; row++)
            sums.Add(values.AsSpan(row * sums.Dimension, sums.Dimension));
        return FeatureStatistics.Of(sums);
    }

    private static List<(string Name, double Distance)> Cases(GoldenFile golden)
    {
        List<(string, double)> cases = [.. golden.Json.GetProperty("values").EnumerateObject().Select(value => (value.Name, value.Value.GetDouble()))];
        Assert.NotEmpty(cases);
        return cases;
    }

    private static string Quantity(string what, GoldenFile golden, string name) => IsSingular(golden, name) ? $"{what}, singular covariance" : what;

    /// <summary>Whether a covariance has no inverse, as of fewer rows than columns: there the original's matrix root is inexact.</summary>
    private static bool IsSingular(GoldenFile golden, string name) => Enumerable.Range(1, 2).Any(side =>
    {
        Tensor covariance = golden[$"{name}.sigma{side}"];
        return linalg.matrix_rank(covariance, hermitian: true).ToInt64() < covariance.shape[0];
    });
}
