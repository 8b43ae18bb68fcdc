// The SwiGLU feed-forward layer (Shazeer 2020) of Llama. Gate and up stay two products: one fused product was slower on a CPU.
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed class FeedForward : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "gate_proj")]
    private readonly Projection _gate;
    [ComponentName(Name = "up_proj")]
    private readonly Projection _up;
    [ComponentName(Name = "down_proj")]
    private readonly Projection _down;

    public FeedForward(TransformerConfig config) : base(nameof(FeedForward))
    {
        _gate = new Projection(config.HiddenSize, config.FeedForward);
        _up = new Projection(config.HiddenSize, config.FeedForward);
        _down = new Projection(config.FeedForward, config.HiddenSize);
        RegisterComponents();
    }

    /// <summary>[B, T, D] → [B, T, D].</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        Tensor gated = SwiGlu.Apply(_gate.forward(input), _up.forward(input));                         // [B, T, F]
        return _down.forward(gated).MoveToOuterDisposeScope();
    }
}
