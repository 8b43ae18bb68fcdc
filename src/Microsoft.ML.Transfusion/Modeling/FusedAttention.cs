// Rotary embedding and attention of a training pass on a CPU as one autograd function: from the projection's output to the next projection's input.
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal static class FusedAttention
{
    /// <summary>Where the kernel was measured against libtorch's operators: x64 with registers of 256 bits or more.</summary>
    public static bool IsFaster(ScalarType dtype, Device device) =>
        Avx2.IsSupported && device.type == DeviceType.CPU && dtype is ScalarType.BFloat16 or ScalarType.Float32;

    /// <summary>Queries, keys and values side by side [B, T, (H + 2·Hkv)·d], not yet turned → [B, T, H·d].</summary>
    public static Tensor Apply(Tensor queriesKeysValues, AttentionLayout layout)
    {
        using var scope = NewDisposeScope();                // what the function saves for its backward pass is copied only after it returns
        return Function.apply(queriesKeysValues, layout).MoveToOuterDisposeScope();
    }

    private sealed class Function : autograd.SingleTensorFunction<Function>
    {
        private const string Layout = "layout";             // TorchSharp has one object for all calls: what is a call's own goes into its context

        public override string Name => nameof(FusedAttention);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            using var scope = NewDisposeScope();
            Tensor input = ((Tensor)vars[0]).contiguous().MoveToOuterDisposeScope();
            var layout = (AttentionLayout)vars[1];
            Tensor output = empty([input.shape[0], input.shape[1], layout.OutputWidth], input.dtype);
            Tensor logSums = empty([input.shape[0], layout.Heads, input.shape[1]], ScalarType.Float32).MoveToOuterDisposeScope();
            if (input.dtype == ScalarType.BFloat16)
                AttentionKernel<BFloat16Lanes>.Forward(input, output, logSums, layout);
            else
                AttentionKernel<Float32Lanes>.Forward(input, output, logSums, layout);
            ctx.save_data(Layout, layout);
            ctx.save_for_backward([input, logSums]);
            return output.MoveToOuterDisposeScope();
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using var scope = NewDisposeScope();
            List<Tensor> saved = ctx.get_saved_variables();
            var layout = (AttentionLayout)ctx.get_data(Layout);
            Tensor input = saved[0], gradient = grad_output.contiguous(), inputGradient = empty_like(input);
            if (input.dtype == ScalarType.BFloat16)
                AttentionKernel<BFloat16Lanes>.Backward(input, gradient, saved[1], inputGradient, layout);
            else
                AttentionKernel<Float32Lanes>.Backward(input, gradient, saved[1], inputGradient, layout);
            return [inputGradient.MoveToOuterDisposeScope(), null!];
        }
    }
}
