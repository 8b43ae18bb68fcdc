// One Llama block: x + attention(norm(x)), then x + feed-forward(norm(x)); or, with post-norm, x + norm(attention(x)), then x + norm(feed-forward(x)).
using Microsoft.ML.Transfusion.Torch;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed class TransformerBlock : nn.Module
{
    [ComponentName(Name = "input_layernorm")]
    private readonly RmsNorm _attentionNorm;
    [ComponentName(Name = "self_attn")]
    private readonly SelfAttention _attention;
    [ComponentName(Name = "post_attention_layernorm")]
    private readonly RmsNorm _feedForwardNorm;
    [ComponentName(Name = "mlp")]
    private readonly FeedForward _feedForward;
    private readonly bool _normsOutputs;

    public TransformerBlock(TransformerConfig config) : base(nameof(TransformerBlock))
    {
        _attentionNorm = new RmsNorm(config.HiddenSize, config.NormEpsilon);
        _attention = new SelfAttention(config);
        _feedForwardNorm = new RmsNorm(config.HiddenSize, config.NormEpsilon);
        _feedForward = new FeedForward(config);
        _normsOutputs = config.PostNorm;
        RegisterComponents();
    }

    /// <summary>[B, T, D] → [B, T, D].</summary>
    public Tensor Forward(Tensor hidden, AttentionContext context, int layer)
    {
        using var scope = NewDisposeScope();
        if (_normsOutputs)
        {
            hidden = hidden.Plus(_attentionNorm.forward(_attention.Forward(hidden, context, layer)));
            hidden = hidden.Plus(_feedForwardNorm.forward(_feedForward.forward(hidden)));
        }
        else
        {
            hidden = hidden.Plus(_attention.Forward(_attentionNorm.forward(hidden), context, layer));
            hidden = hidden.Plus(_feedForward.forward(_feedForwardNorm.forward(hidden)));
        }
        return hidden.MoveToOuterDisposeScope();
    }
}
