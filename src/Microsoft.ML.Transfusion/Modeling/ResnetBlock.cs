// The residual block of U-Nets and autoencoders: norm, SiLU, convolution, twice, with the timestep in between (Ho et al. 2020). Names of weights are
// those of diffusers.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <summary>How a timestep reaches a block.</summary>
internal enum TimestepNorm
{
    /// <summary>It is added to the channels.</summary>
    Add,

    /// <summary>It scales and shifts the second norm (Dhariwal and Nichol 2021).</summary>
    ScaleShift,
}

internal sealed class ResnetBlock : nn.Module
{
    [ComponentName(Name = "norm1")]
    private readonly GroupNorm _firstNorm;
    [ComponentName(Name = "conv1")]
    private readonly ImageConvolution _first;
    [ComponentName(Name = "time_emb_proj")]
    private readonly Linear? _time;
    [ComponentName(Name = "norm2")]
    private readonly GroupNorm _secondNorm;
    [ComponentName(Name = "conv2")]
    private readonly ImageConvolution _second;
    [ComponentName(Name = "conv_shortcut")]
    private readonly ImageConvolution? _shortcut;
    private readonly TimestepNorm _timestepNorm;

    /// <param name="timeSize">Values of the timestep embedding; null: the block knows no time.</param>
    /// <param name="groups">Of the group norms; a divisor of both numbers of channels.</param>
    public ResnetBlock(int inputChannels, int outputChannels, int? timeSize, int groups, double epsilon = 1e-5, TimestepNorm timestepNorm = TimestepNorm.Add) : base(nameof(ResnetBlock))
    {
        _timestepNorm = timestepNorm;
        _firstNorm = nn.GroupNorm(groups, inputChannels, epsilon);
        _first = new ImageConvolution(inputChannels, outputChannels, 3, padding: 1);
        if (timeSize is { } size)
            _time = nn.Linear(size, timestepNorm == TimestepNorm.ScaleShift ? 2 * outputChannels : outputChannels);
        _secondNorm = nn.GroupNorm(groups, outputChannels, epsilon);
        _second = new ImageConvolution(outputChannels, outputChannels, 3, padding: 1);
        if (inputChannels != outputChannels)
            _shortcut = new ImageConvolution(inputChannels, outputChannels, 1);
        RegisterComponents();
    }

    /// <summary>[N, C, H, W] → [N, C', H, W].</summary>
    /// <param name="time">Timestep embeddings [N, size]; null where the block knows no time.</param>
    public Tensor Forward(Tensor x, Tensor? time)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = _first.forward(nn.functional.silu(_firstNorm.forward(x)));
        Tensor? ofTime = _time?.forward(nn.functional.silu(time!)).unsqueeze(-1).unsqueeze(-1);             // [N, C', 1, 1]
        if (ofTime is not null && _timestepNorm == TimestepNorm.Add)
            hidden = hidden.Plus(ofTime);
        hidden = _secondNorm.forward(hidden);
        if (ofTime is not null && _timestepNorm == TimestepNorm.ScaleShift)
        {
            Tensor[] scaleAndShift = ofTime.chunk(2, 1);
            hidden = (hidden * scaleAndShift[0].Plus(1)).Plus(scaleAndShift[1]);
        }
        hidden = _second.forward(nn.functional.silu(hidden));
        return (_shortcut?.forward(x) ?? x).Plus(hidden).MoveToOuterDisposeScope();
    }
}
