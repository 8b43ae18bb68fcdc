// Self-attention among all places of an image, as U-Nets and autoencoders have it at low resolutions. Names of weights are those of diffusers.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed class SpatialAttention : nn.Module
{
    [ComponentName(Name = "group_norm")]
    private readonly GroupNorm _norm;
    [ComponentName(Name = "to_q")]
    private readonly Linear _queries;
    [ComponentName(Name = "to_k")]
    private readonly Linear _keys;
    [ComponentName(Name = "to_v")]
    private readonly Linear _values;
    [ComponentName(Name = "to_out")]
    private readonly ModuleList<Linear> _output;
    private readonly int _heads;

    /// <param name="headSize">Channels of one head, a divisor of all.</param>
    public SpatialAttention(int channels, int headSize, int groups, double epsilon = 1e-5) : base(nameof(SpatialAttention))
    {
        _heads = channels / headSize;
        _norm = nn.GroupNorm(groups, channels, epsilon);
        (_queries, _keys, _values) = (nn.Linear(channels, channels), nn.Linear(channels, channels), nn.Linear(channels, channels));
        _output = nn.ModuleList(nn.Linear(channels, channels));
        RegisterComponents();
    }

    /// <summary>[N, C, H, W] → [N, C, H, W].</summary>
    public Tensor Forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        long count = x.shape[0], channels = x.shape[1], places = x.shape[2] * x.shape[3];
        Tensor tokens = _norm.forward(x).reshape(count, channels, places).transpose(1, 2);                  // [N, H·W, C]
        Tensor Heads(Linear projection) => projection.forward(tokens).view(count, places, _heads, channels / _heads).transpose(1, 2);
        Tensor attended = nn.functional.scaled_dot_product_attention(Heads(_queries), Heads(_keys), Heads(_values));
        Tensor output = _output[0].forward(attended.transpose(1, 2).reshape(count, places, channels));
        return x.Plus(output.transpose(1, 2).reshape(x.shape)).MoveToOuterDisposeScope();
    }
}
