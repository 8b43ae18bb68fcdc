// Classifier-free guidance (Ho and Salimans 2022): away from what the model would draw for no caption, by a factor w. Its rescale (Lin et al.
// 2023, §3.4) takes back the contrast that a large w adds.
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

internal static class ClassifierFreeGuidance
{
    private const double LeastSpread = 1e-12;

    /// <summary>g = unconditional + w · (conditional − unconditional), then a share φ of it brought back to each image's conditional spread.</summary>
    /// <param name="rescale">φ in [0, 1]; 0 leaves g as it is.</param>
    public static Tensor Combine(Tensor conditional, Tensor unconditional, double guidanceScale, double rescale = 0)
    {
        using var scope = NewDisposeScope();
        Tensor guided = unconditional.Plus((conditional - unconditional).Times(guidanceScale));
        if (rescale > 0)
            guided *= (Spread(conditional).Times(rescale) / Spread(guided)).Plus(1 - rescale);
        return guided.MoveToOuterDisposeScope();
    }

    /// <summary>Each image's standard deviation, [N, 1, …].</summary>
    private static Tensor Spread(Tensor images) =>
        images.std([.. Enumerable.Range(1, (int)images.dim() - 1)], keepdim: true).ClampMin(LeastSpread);
}
