// libtorch's fused AdamW, which TorchSharp does not wrap: one pass over memory instead of nine.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

internal static class FusedAdamW
{
    /// <summary>
    /// One AdamW update (Loshchilov and Hutter 2019) in place. All but <paramref name="step"/> are float [N]; step is a float scalar that the
    /// caller has already counted up.
    /// </summary>
    public static void Step(Tensor parameters, Tensor gradients, Tensor firstMoments, Tensor secondMoments, Tensor step,
        double learningRate, double beta1, double beta2, double weightDecay, double epsilon)
    {
        Span<ulong> stack =
        [
            List(parameters), List(gradients), List(firstMoments), List(secondMoments), Dispatcher.Argument((ReadOnlySpan<Tensor>)[]), List(step),
            Dispatcher.Argument(learningRate), Dispatcher.Argument(beta1), Dispatcher.Argument(beta2), Dispatcher.Argument(weightDecay), Dispatcher.Argument(epsilon),
            0,                                              // amsgrad
            0,                                              // maximize
            0,                                              // grad_scale: none
            0,                                              // found_inf: none
        ];
        Dispatcher.Call("aten::_fused_adamw_\0"u8, "\0"u8, stack);
    }

    private static ulong List(Tensor tensor) => Dispatcher.Argument((ReadOnlySpan<Tensor>)[tensor]);
}
