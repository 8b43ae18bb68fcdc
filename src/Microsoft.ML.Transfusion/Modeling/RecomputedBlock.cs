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
        private const string Call = "call";                 // TorchSharp has one object for all calls: what is a call's own goes into its context

        public override string Name => nameof(RecomputedBlock);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            using var scope = NewDisposeScope();
            var hidden = (Tensor)vars[0];
            (var block, var context, int layer) = ((TransformerBlock)vars[1], (AttentionContext)vars[2], (int)vars[3]);
            ctx.save_data(Call, (block, context, layer));
            ctx.save_for_backward([hidden, context.RotaryTable, .. context.AdditiveMask is { } mask ? [mask] : Array.Empty<Tensor>()]);
            using var noGradient = no_grad();
            return block.Forward(hidden, context, layer).MoveToOuterDisposeScope();
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using var scope = NewDisposeScope();
            List<Tensor> saved = ctx.get_saved_variables();
            (TransformerBlock block, AttentionContext context, int layer) = ((TransformerBlock, AttentionContext, int))ctx.get_data(Call);
            context = context with { RotaryTable = saved[1], AdditiveMask = saved.ElementAtOrDefault(2) };
            Tensor hidden = saved[0].detach().requires_grad_();
            using (enable_grad())
                block.Forward(hidden, context, layer).backward([grad_output]);
            return [hidden.grad!.alias().MoveToOuterDisposeScope(), null!, null!, null!];
        }
    }
}
