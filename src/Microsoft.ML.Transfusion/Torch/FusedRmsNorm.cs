// libtorch's own RMSNorm, which TorchSharp does not wrap: on a GPU one kernel in each direction instead of a dozen.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

internal static class FusedRmsNorm
{
    /// <summary>x / √(mean(x²) + ε) · weight over the last dimension; both of one number format.</summary>
    public static Tensor Apply(Tensor input, Tensor weight, double epsilon)
    {
        Span<ulong> stack = [Dispatcher.Argument(input), Dispatcher.Argument([input.shape[^1]]), Dispatcher.Optional(weight), Dispatcher.Optional(epsilon)];
        Dispatcher.Call("aten::rms_norm\0"u8, "\0"u8, stack);
        return Tensor.UnsafeCreateTensor((nint)stack[0]);
    }
}
