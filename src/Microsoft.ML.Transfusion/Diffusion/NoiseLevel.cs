// How noisy an image of the Gaussian process is: x_t = Signal · x₀ + Spread · ε, with Signal² + Spread² = 1.
namespace Microsoft.ML.Transfusion.Diffusion;

/// <param name="Signal">√ᾱ.</param>
/// <param name="Spread">√(1 − ᾱ).</param>
internal readonly record struct NoiseLevel(double Signal, double Spread)
{
    /// <summary>λ = log(Signal / Spread), half the logarithm of the signal-to-noise ratio; ∞ for a clean image.</summary>
    public double Lambda => Math.Log(Signal / Spread);
}
