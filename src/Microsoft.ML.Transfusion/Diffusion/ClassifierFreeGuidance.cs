// Classifier-free guidance (Ho and Salimans 2022): away from what the model would draw for no caption, by a factor w.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

internal static class ClassifierFreeGuidance
{
    /// <summary>unconditional + w · (conditional − unconditional).</summary>
    public static Tensor Combine(Tensor conditional, Tensor unconditional, double guidanceScale)
    {
        using var scope = NewDisposeScope();
        return (unconditional + guidanceScale * (conditional - unconditional)).MoveToOuterDisposeScope();
    }
}
