// Activation checkpointing (Chen et al. 2016): a block keeps its input alone and is computed again when its gradient is asked for.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal static class RecomputedBlock
{
    /// <summary>What <see cref="TransformerBlock.Forward"/> gives, [B, T, D] → [B, T, D]; its weights' gradients arrive where they would have.</summary>
    public static Tensor Apply(TransformerBlock block, Tensor hidden, AttentionContext context, int layer)
    {
        using var scope = NewDisposeScope();                // what the function saves for its backward pass is copied only after it returns
        return Function.apply(hidden, block, context, layer).MoveToOuterDisposeScope();
    }

    private sealed class Function : autograd.SingleTensorFunction<Function>
    {
        private TransformerBlock? _block;
        private AttentionContext? _context;
        private int _layer;

        public override string Name => nameof(RecomputedBlock);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            using var scope = NewDisposeScope();
            var hidden = (Tensor)vars[0];
            (_block, _context, _layer) = ((TransformerBlock)vars[1], (AttentionContext)vars[2], (int)vars[3]);
            ctx.save_for_backward([hidden, _context.RotaryTable, .. _context.AdditiveMask is { } mask ? [mask] : Array.Empty<Tensor>()]);
            using var noGradient = no_grad();
            return _block.Forward(hidden, _context, _layer).MoveToOuterDisposeScope();
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using var scope = NewDisposeScope();
            List<Tensor> saved = ctx.get_saved_variables();
            AttentionContext context = _context! with { RotaryTable = saved[1], AdditiveMask = saved.ElementAtOrDefault(2) };
            Tensor hidden = saved[0].detach().requires_grad_();
            using (enable_grad())
                _block!.Forward(hidden, context, _layer).backward([grad_output]);
            return [hidden.grad!.alias().MoveToOuterDisposeScope(), null!, null!, null!];
        }
    }
}
