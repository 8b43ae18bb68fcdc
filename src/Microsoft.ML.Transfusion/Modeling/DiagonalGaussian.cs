// The distribution of latents that a variational autoencoder gives for a picture (Kingma and Welling 2014).
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <summary>Independent normal distributions, one for each value of a latent [N, C, H, W].</summary>
internal sealed record DiagonalGaussian(Tensor Mean, Tensor LogVariance)
{
    // Where exp() would overflow or vanish nothing is learned (as Rombach et al. 2022).
    private const double MinLogVariance = -30, MaxLogVariance = 20;

    /// <param name="moments">Means and logarithms of variances: [N, 2C, H, W].</param>
    public static DiagonalGaussian Of(Tensor moments)
    {
        Tensor[] halves = moments.chunk(2, 1);
        return new DiagonalGaussian(halves[0], halves[1].Clamp(MinLogVariance, MaxLogVariance));
    }

    /// <param name="noise">Standard normal, of the latents' shape.</param>
    public Tensor Sample(Tensor noise) => Mean.Plus(LogVariance.Times(0.5).exp() * noise);

    /// <summary>Kullback–Leibler divergence from the standard normal, summed over each image's values: [N].</summary>
    public Tensor Divergence() => Mean.Squared().Plus(LogVariance.exp()).Minus(1).Plus(LogVariance, -1).sum([1, 2, 3]).Times(0.5);
}
