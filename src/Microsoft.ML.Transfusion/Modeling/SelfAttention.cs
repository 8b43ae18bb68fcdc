// Multi-head self-attention with rotary positions and optional grouped-query attention, under the Transfusion mask (Transfusion §3).
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed class SelfAttention : nn.Module
{
    [ComponentName(Name = "qkv_proj")]
    private readonly Projection _queriesKeysValues;
    [ComponentName(Name = "o_proj")]
    private readonly Projection _output;
    [ComponentName(Name = "q_norm")]
    private readonly RmsNorm? _queryNorm;
    [ComponentName(Name = "k_norm")]
    private readonly RmsNorm? _keyNorm;
    private readonly int _heads;
    private readonly int _keyValueHeads;
    private readonly int _headSize;

    public SelfAttention(TransformerConfig config) : base(nameof(SelfAttention))
    {
        (_heads, _keyValueHeads, _headSize) = (config.NumberOfHeads, config.KeyValueHeads, config.HeadSize);
        _queriesKeysValues = new Projection(config.HiddenSize, (_heads + 2 * _keyValueHeads) * _headSize);
        _output = new Projection(_heads * _headSize, config.HiddenSize);
        if (config.QueryKeyNorm)
            (_queryNorm, _keyNorm) = (new RmsNorm(_headSize, config.NormEpsilon), new RmsNorm(_headSize, config.NormEpsilon));
        RegisterComponents();
    }

    /// <summary>[B, T, D] → [B, T, D].</summary>
    public Tensor Forward(Tensor hidden, AttentionContext context, int layer)
    {
        using var scope = NewDisposeScope();
        if (context.Fused is { } layout)
            return _output.forward(AttendFused(hidden, layout)).MoveToOuterDisposeScope();
        (Tensor queries, Tensor keys, Tensor values) = Project(hidden, context.RotaryTable);
        Tensor attended = context.Rows is { } rows                                                          // [B, H, T, head size]
            ? cat([.. rows.Select(row => AttendRow(queries, keys, values, row, layer))], 2)
            : Attention.Attend(queries, keys, values, context);
        return _output.forward(attended.transpose(1, 2).flatten(2)).MoveToOuterDisposeScope();
    }

    /// <summary>[B, T, D] → queries [B, H, T, head size], keys and values [B, Hkv, T, head size], turned to their positions.</summary>
    internal (Tensor Queries, Tensor Keys, Tensor Values) Project(Tensor hidden, Tensor rotaryTable)
    {
        using var scope = NewDisposeScope();
        Tensor heads = _queriesKeysValues.forward(hidden).view(hidden.shape[0], hidden.shape[1], _heads + 2 * _keyValueHeads, _headSize);
        Tensor turned = RotaryEmbedding.Apply(Normalize(heads.narrow(2, 0, _heads + _keyValueHeads)), rotaryTable);
        Tensor queries = turned.narrow(2, 0, _heads), keys = turned.narrow(2, _heads, _keyValueHeads);
        Tensor values = heads.narrow(2, _heads + _keyValueHeads, _keyValueHeads);
        return (ByHead(queries), ByHead(keys), ByHead(values));

        static Tensor ByHead(Tensor byPosition) => byPosition.transpose(1, 2).MoveToOuterDisposeScope();
    }

    /// <summary>One row's share of the positions [1, H, N, head size], over all that the row has.</summary>
    private static Tensor AttendRow(Tensor queries, Tensor keys, Tensor values, TorchRow row, int layer)
    {
        (Tensor allKeys, Tensor allValues) = row.Cache.Write(layer, keys.narrow(2, row.First, row.Count), values.narrow(2, row.First, row.Count));
        Tensor ofRow = queries.narrow(2, row.First, row.Count);
        return nn.functional.scaled_dot_product_attention(ofRow, Attention.Repeat(allKeys, ofRow.shape[1]), Attention.Repeat(allValues, ofRow.shape[1]), row.Mask);
    }

    private Tensor AttendFused(Tensor hidden, AttentionLayout layout)
    {
        Tensor joined = _queriesKeysValues.forward(hidden);                                                 // [B, T, (H + 2·Hkv)·head size]
        if (_queryNorm is not null)
        {
            Tensor heads = joined.view(hidden.shape[0], hidden.shape[1], _heads + 2 * _keyValueHeads, _headSize);
            joined = cat([Normalize(heads.narrow(2, 0, _heads + _keyValueHeads)), heads.narrow(2, _heads + _keyValueHeads, _keyValueHeads)], 2).flatten(2);
        }
        return FusedAttention.Apply(joined, layout);
    }

    private Tensor Normalize(Tensor queriesAndKeys) => _queryNorm is null
        ? queriesAndKeys
        : cat([_queryNorm.forward(queriesAndKeys.narrow(2, 0, _heads)), _keyNorm!.forward(queriesAndKeys.narrow(2, _heads, _keyValueHeads))], 2);
}
