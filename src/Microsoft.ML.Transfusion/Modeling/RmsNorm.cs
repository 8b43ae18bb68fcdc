// Root-mean-square normalization (Zhang and Sennrich 2019) as one autograd function: fewer passes over memory than its five operators.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <summary>x / √(mean(x²) + ε) · weight over the last dimension. Statistics are 32-bit whatever the input is.</summary>
internal sealed class RmsNorm : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;                     // [D]
    private readonly double _epsilon;

    public RmsNorm(int size, double epsilon) : base(nameof(RmsNorm))
    {
        _weight = new Parameter(ones(size));
        _epsilon = epsilon;
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        if (input.device_type == DeviceType.CUDA && input.dtype == _weight.dtype)
            return FusedRmsNorm.Apply(input, _weight, _epsilon);
        using var scope = NewDisposeScope();                // what the function saves for its backward pass is copied only after it returns
        return Function.apply(input, _weight, _epsilon).MoveToOuterDisposeScope();
    }

    private sealed class Function : autograd.SingleTensorFunction<Function>
    {
        public override string Name => nameof(RmsNorm);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            using var scope = NewDisposeScope();
            Tensor input = (Tensor)vars[0], weight = (Tensor)vars[1];
            if (CpuKernel.Handles(input) && input.dtype == weight.dtype)
            {
                input = input.contiguous().MoveToOuterDisposeScope();
                (Tensor output, Tensor rowScale) = RmsNormKernel.Forward(input, weight, (double)vars[2]);
                ctx.save_for_backward([input, weight, rowScale.MoveToOuterDisposeScope()]);
                return output.MoveToOuterDisposeScope();
            }
            Tensor wide = input.to(ScalarType.Float32);
            Tensor scale = wide.Squared().mean([-1], keepdim: true).AddInPlace((double)vars[2]).rsqrt_();    // [.., 1]
            ctx.save_for_backward([input, weight, scale]);
            scale.MoveToOuterDisposeScope();
            return (wide * scale).to(input.dtype).mul_(weight).MoveToOuterDisposeScope();
        }

        // With n = x · s and s = 1/√(mean(x²) + ε):  dw = Σ g · n,  dx = s · (g·w − n · mean(g·w·n)).
        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using var scope = NewDisposeScope();
            List<Tensor> saved = ctx.get_saved_variables();
            Tensor input = saved[0], weight = saved[1], scale = saved[2];
            if (CpuKernel.Handles(input) && input.dtype == weight.dtype)
            {
                (Tensor ofInput, Tensor ofWeight) = RmsNormKernel.Backward(grad_output.contiguous(), input, weight, scale);
                return [ofInput.MoveToOuterDisposeScope(), ofWeight.to(weight.dtype).MoveToOuterDisposeScope(), null!];
            }
            Tensor normalized = input * scale;                                                      // [.., D], 32-bit
            Tensor gradient = grad_output * normalized;
            Tensor? weightGradient = weight.requires_grad ? gradient.reshape(-1, weight.shape[0]).sum(dim: 0) : null;
            Tensor mean = gradient.mul_(weight).mean([-1], keepdim: true);
            Tensor inputGradient = normalized.mul_(mean).neg_().AddInPlace(grad_output * weight).mul_(scale);
            return
            [
                inputGradient.to(input.dtype).MoveToOuterDisposeScope(),
                weightGradient?.to(weight.dtype).MoveToOuterDisposeScope()!,
                null!,
            ];
        }
    }
}
