// Scales a gradient down where its norm is above a bound (Pascanu et al. 2013).
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

internal static class GradientClipping
{
    private const double Epsilon = 1e-6;

    /// <summary>gradient ← gradient · min(1, bound / ‖gradient‖), without waiting for the norm on a GPU.</summary>
    public static void Clip(Tensor gradient, double maxNorm)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        gradient.mul_((maxNorm / (gradient.norm() + Epsilon)).clamp_max(1));
    }
}
