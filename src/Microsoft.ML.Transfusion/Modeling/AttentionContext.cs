// What every layer's attention needs to know about the sequence; made once a forward pass.
using Microsoft.ML.Transfusion.Sequences;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <param name="RotaryTable">Rows of <see cref="RotaryEmbedding.Table"/> for the positions of this pass, [T, 1, head size / 2].</param>
/// <param name="Mask">The pattern among the positions of this pass; null: each sees all of them.</param>
/// <param name="AdditiveMask">The same as a tensor [1 or B, 1, T, T], where attention goes by a dense mask; null: by segments.</param>
internal sealed record AttentionContext(Tensor RotaryTable, TransfusionMask? Mask, Tensor? AdditiveMask)
{
    /// <summary>Rows of a generating pass, whose positions stand one after the other in one batch row, each with its own earlier keys and values; null in training.</summary>
    public IReadOnlyList<TorchRow>? Rows { get; init; }

    /// <summary>How positions are laid out, where attention is <see cref="FusedAttention"/>; else null.</summary>
    public AttentionLayout? Fused { get; init; }
}
