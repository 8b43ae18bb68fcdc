// Scales a gradient down where its norm is above a bound (Pascanu et al. 2013).
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

internal static class GradientClipping
{
    private const double Epsilon = 1e-6;

    /// <summary>gradient ← gradient · min(1, bound / ‖gradient‖).</summary>
    /// <returns>The norm that was found.</returns>
    public static double Clip(Tensor gradient, double maxNorm)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        double norm = gradient.norm().AsDouble();
        if (norm > maxNorm)
            gradient.MultiplyInPlace(Factor(norm, maxNorm));
        return norm;
    }

    /// <summary>What a gradient whose norm is above the bound is multiplied by.</summary>
    public static double Factor(double norm, double maxNorm) => maxNorm / (norm + Epsilon);
}
