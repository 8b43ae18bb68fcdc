// Scaled dot-product attention, three ways to the same numbers: with a dense mask, by segments without one, and by hand where a fused
// kernel is slow (bfloat16 training on a CPU, where flash attention's backward pass makes thousands of tiny products).
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static Microsoft.ML.Transfusion.Torch.Arithmetic;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Microsoft.ML.Transfusion.Modeling;

internal static class Attention
{
    /// <summary>softmax(q·kᵀ / √d + mask)·v: queries [B, H, T, d], keys and values [B, Hkv, S, d] → [B, H, T, d].</summary>
    public static Tensor Attend(Tensor queries, Tensor keys, Tensor values, AttentionContext context)
    {
        using var scope = NewDisposeScope();
        (keys, values) = (Repeat(keys, queries.shape[1]), Repeat(values, queries.shape[1]));
        return Choose(queries, keys, values, context).MoveToOuterDisposeScope();
    }

    private static Tensor Choose(Tensor queries, Tensor keys, Tensor values, AttentionContext context)
    {
        if (queries.dtype == ScalarType.BFloat16 && queries.device_type == DeviceType.CPU && is_grad_enabled())
            return ByHand(queries, keys, values, context.AdditiveMask);
        if (context.Mask is null || context.AdditiveMask is not null)
            return scaled_dot_product_attention(queries, keys, values, context.AdditiveMask);
        return BySegments(queries, keys, values, context.Mask);
    }

    /// <summary>Grouped-query attention: each key and value head serves the same number of neighbouring query heads.</summary>
    internal static Tensor Repeat(Tensor heads, long count) =>
        heads.shape[1] == count ? heads : heads.repeat_interleave(count / heads.shape[1], 1);

    /// <summary>Text attends causally to everything before it, an image to everything up to its own end: no mask is ever larger than a text run.</summary>
    private static Tensor BySegments(Tensor queries, Tensor keys, Tensor values, TransfusionMask mask)
    {
        using var scope = NewDisposeScope();
        var parts = new List<Tensor>();
        foreach ((ImageSpan span, bool isImage) in mask.Segments())
        {
            Tensor segmentQueries = queries.narrow(2, span.Start, span.Length);
            Tensor visibleKeys = keys.narrow(2, 0, span.End), visibleValues = values.narrow(2, 0, span.End);
            bool startsSequence = span.Start == 0;
            Tensor? later = isImage || startsSequence ? null : LaterPositions(span, queries);
            parts.Add(scaled_dot_product_attention(segmentQueries, visibleKeys, visibleValues, later, is_casual: !isImage && startsSequence));
        }
        return cat(parts, 2).MoveToOuterDisposeScope();
    }

    /// <summary>−∞ where a key stands after a text run's query, 0 elsewhere; [T, S].</summary>
    private static Tensor LaterPositions(ImageSpan text, Tensor like) =>
        Full([text.Length, text.End], double.NegativeInfinity, like.dtype, like.device).triu(text.Start + 1);

    /// <summary>The formula as it stands; whatever the mask leaves out must be in it as −∞.</summary>
    internal static Tensor ByHand(Tensor queries, Tensor keys, Tensor values, Tensor? additiveMask)
    {
        using var scope = NewDisposeScope();
        Tensor scores = matmul(queries.Times(1 / Math.Sqrt(queries.shape[3])), keys.transpose(2, 3));           // [B, H, T, S]
        if (additiveMask is not null)
            scores = scores.Plus(additiveMask);
        return matmul(softmax(scores, -1), values).MoveToOuterDisposeScope();
    }
}
