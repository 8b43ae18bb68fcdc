// Rotary embedding and attention of a training pass on a CPU as one autograd function: from the projection's output to the next projection's input.
// The products are libtorch's; between them each tensor is read and written once, and the probabilities are written over the scores.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <summary>How the positions [B, T] of a pass are laid out.</summary>
/// <param name="Heads">Query heads, H.</param>
/// <param name="KeyValueHeads">Key and value heads, Hkv; each serves H / Hkv neighbouring query heads.</param>
/// <param name="Visible">For every position how many positions it sees from the first on; one entry for all rows, or one for each.</param>
/// <param name="Rotary">The rows of <see cref="RotaryEmbedding.Table"/> for the positions.</param>
internal sealed record AttentionLayout(int Heads, int KeyValueHeads, int HeadSize, int[][] Visible, Tensor Rotary)
{
    public int Width => (Heads + 2 * KeyValueHeads) * HeadSize;
}

internal static class FusedAttention
{
    /// <summary>In 32 bit libtorch's own fused attention costs less.</summary>
    public static bool IsFaster(ScalarType dtype, Device device) => dtype == ScalarType.BFloat16 && device.type == DeviceType.CPU;

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
            Tensor input = ((Tensor)vars[0]).contiguous();
            var layout = (AttentionLayout)vars[1];
            ctx.save_data(Layout, layout);
            long rows = input.shape[0], length = input.shape[1];
            Tensor ByHead(int count) => empty([rows * layout.KeyValueHeads, count / layout.KeyValueHeads * length, layout.HeadSize], input.dtype);
            Tensor queries = ByHead(layout.Heads), keys = ByHead(layout.KeyValueHeads), values = ByHead(layout.KeyValueHeads);
            var heads = new HeadMover(input, layout);
            heads.Split(queries, 0, layout.Heads, 1, 1 / MathF.Sqrt(layout.HeadSize));
            heads.Split(keys, layout.Heads, layout.KeyValueHeads, 1);
            heads.Split(values, layout.Heads + layout.KeyValueHeads, layout.KeyValueHeads, 0);

            Tensor weights = queries.bmm(keys.transpose(1, 2));                                         // [B·Hkv, H/Hkv·T, T]
            SoftmaxKernel.Forward(weights, layout.Visible);
            Tensor output = empty([rows, length, layout.Heads * layout.HeadSize], input.dtype);
            new HeadMover(output, layout with { KeyValueHeads = 0 }).Merge(weights.bmm(values), 0, layout.Heads, 0);
            Tensor Saved(Tensor tensor) => tensor.MoveToOuterDisposeScope();
            ctx.save_for_backward([Saved(queries), Saved(keys), Saved(values), Saved(weights), layout.Rotary]);
            return output.MoveToOuterDisposeScope();
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using var scope = NewDisposeScope();
            List<Tensor> saved = ctx.get_saved_variables();
            AttentionLayout layout = ((AttentionLayout)ctx.get_data(Layout)) with { Rotary = saved[4] };
            (Tensor queries, Tensor keys, Tensor values, Tensor weights) = (saved[0], saved[1], saved[2], saved[3]);
            Tensor gradient = empty_like(queries);
            new HeadMover(grad_output.contiguous(), layout with { KeyValueHeads = 0 }).Split(gradient, 0, layout.Heads, 0);

            Tensor ofValues = weights.transpose(1, 2).bmm(gradient);
            Tensor ofScores = gradient.bmm(values.transpose(1, 2));
            SoftmaxKernel.Backward(ofScores, weights, layout.Visible);
            Tensor ofQueries = ofScores.bmm(keys), ofKeys = ofScores.transpose(1, 2).bmm(queries);

            Tensor input = empty([grad_output.shape[0], grad_output.shape[1], layout.Width], queries.dtype);
            var mover = new HeadMover(input, layout);
            mover.Merge(ofQueries, 0, layout.Heads, -1, 1 / MathF.Sqrt(layout.HeadSize));
            mover.Merge(ofKeys, layout.Heads, layout.KeyValueHeads, -1);
            mover.Merge(ofValues, layout.Heads + layout.KeyValueHeads, layout.KeyValueHeads, 0);
            return [input.MoveToOuterDisposeScope(), null!];
        }
    }
}
