// The Fréchet distance between two Gaussians (Dowson and Landau 1982), which over Inception features is FID (Heusel et al. 2017):
//     |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr √(Σ₁ Σ₂).
// The last trace is the sum of the singular values of √Σ₁ √Σ₂. These exist for every covariance, so the small multiple of the identity that
// pytorch-fid adds where the root of a singular product fails is never needed.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Evaluation;

internal static class FrechetDistance
{
    /// <param name="mean">[D], 64-bit.</param>
    /// <param name="covariance">[D, D], symmetric, 64-bit.</param>
    public static double Between(Tensor mean, Tensor covariance, Tensor otherMean, Tensor otherCovariance)
    {
        using var scope = NewDisposeScope();
        double means = (mean - otherMean).Squared().sum().AsDouble();
        double root = linalg.svdvals(SquareRoot(covariance).matmul(SquareRoot(otherCovariance))).sum().AsDouble();
        return means + covariance.trace().AsDouble() + otherCovariance.trace().AsDouble() - 2 * root;
    }

    /// <summary>The symmetric root of a covariance. Eigenvalues that rounding made of zeros, negative ones among them, are zeros again.</summary>
    private static Tensor SquareRoot(Tensor covariance)
    {
        (Tensor values, Tensor vectors) = linalg.eigh(covariance);
        double rounding = values.abs().max().AsDouble() * values.shape[0] * Math.ScaleB(1, -52);
        Tensor roots = values.where(values.IsAbove(rounding), zeros_like(values)).sqrt();
        return (vectors * roots).matmul(vectors.mT);
    }
}
