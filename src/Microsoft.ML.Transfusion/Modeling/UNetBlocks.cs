// The stages of a U-Net (Ronneberger et al. 2015; Ho et al. 2020): down, middle, up. Names of weights are those of diffusers.
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <summary>What the blocks of one U-Net have in common.</summary>
/// <param name="TimeSize">Values of the timestep embedding; null: none.</param>
/// <param name="Groups">Of the group norms.</param>
/// <param name="HeadSize">Channels of one attention head.</param>
/// <param name="PadsOneSide">Whether the way down adds zeros at the right and the bottom alone, as autoencoders do.</param>
internal sealed record UNetBlockSettings(int? TimeSize, int Groups, int HeadSize = 8, double Epsilon = 1e-5, bool PadsOneSide = false)
{
    public ResnetBlock Resnet(int inputChannels, int outputChannels) => new(inputChannels, outputChannels, TimeSize, Groups, Epsilon);

    public SpatialAttention Attention(int channels) => new(channels, HeadSize, Groups, Epsilon);
}

/// <summary>Residual blocks at one resolution, and half of it afterwards.</summary>
internal sealed class DownBlock : nn.Module
{
    [ComponentName(Name = "resnets")]
    private readonly ModuleList<ResnetBlock> _resnets;
    [ComponentName(Name = "attentions")]
    private readonly ModuleList<SpatialAttention>? _attentions;
    [ComponentName(Name = "downsamplers")]
    private readonly ModuleList<Downsample>? _downsamplers;

    public DownBlock(UNetBlockSettings settings, int inputChannels, int outputChannels, int layers, bool downsamples, bool attends = false) : base(nameof(DownBlock))
    {
        _resnets = nn.ModuleList([.. Enumerable.Range(0, layers).Select(layer => settings.Resnet(layer == 0 ? inputChannels : outputChannels, outputChannels))]);
        if (attends)
            _attentions = nn.ModuleList([.. Enumerable.Range(0, layers).Select(_ => settings.Attention(outputChannels))]);
        if (downsamples)
            _downsamplers = nn.ModuleList(new Downsample(outputChannels, settings.PadsOneSide));
        RegisterComponents();
    }

    /// <summary>[N, C, H, W] → what comes out, and all that the way up wants: every layer's output and the halved one.</summary>
    public (Tensor Output, IReadOnlyList<Tensor> Skips) Forward(Tensor x, Tensor? time)
    {
        List<Tensor> skips = [];
        for (int layer = 0; layer < _resnets.Count; layer++)
        {
            x = _resnets[layer].Forward(x, time);
            if (_attentions is not null)
                x = _attentions[layer].Forward(x);
            skips.Add(x);
        }
        if (_downsamplers is not null)
        {
            x = _downsamplers[0].forward(x);
            skips.Add(x);
        }
        return (x, skips);
    }
}

/// <summary>Attention between residual blocks at the lowest resolution.</summary>
internal sealed class MidBlock : nn.Module
{
    [ComponentName(Name = "resnets")]
    private readonly ModuleList<ResnetBlock> _resnets;
    [ComponentName(Name = "attentions")]
    private readonly ModuleList<SpatialAttention>? _attentions;

    public MidBlock(UNetBlockSettings settings, int channels, bool attends = true) : base(nameof(MidBlock))
    {
        _resnets = nn.ModuleList(settings.Resnet(channels, channels), settings.Resnet(channels, channels));
        if (attends)
            _attentions = nn.ModuleList(settings.Attention(channels));
        RegisterComponents();
    }

    /// <summary>[N, C, H, W] → [N, C, H, W].</summary>
    public Tensor Forward(Tensor x, Tensor? time)
    {
        x = _resnets[0].Forward(x, time);
        if (_attentions is not null)
            x = _attentions[0].Forward(x);
        return _resnets[1].Forward(x, time);
    }
}

/// <summary>Residual blocks that also see what the way down had at this resolution, and twice of it afterwards.</summary>
internal sealed class UpBlock : nn.Module
{
    [ComponentName(Name = "resnets")]
    private readonly ModuleList<ResnetBlock> _resnets;
    [ComponentName(Name = "attentions")]
    private readonly ModuleList<SpatialAttention>? _attentions;
    [ComponentName(Name = "upsamplers")]
    private readonly ModuleList<Upsample>? _upsamplers;

    /// <param name="skipChannels">Channels of the skips, in the order in which they are used: one for each residual block, 0 where it has none.</param>
    public UpBlock(UNetBlockSettings settings, int inputChannels, IReadOnlyList<int> skipChannels, int outputChannels, bool upsamples, bool attends = false) : base(nameof(UpBlock))
    {
        _resnets = nn.ModuleList([.. skipChannels.Select((skip, layer) => settings.Resnet((layer == 0 ? inputChannels : outputChannels) + skip, outputChannels))]);
        if (attends)
            _attentions = nn.ModuleList([.. skipChannels.Select(_ => settings.Attention(outputChannels))]);
        if (upsamples)
            _upsamplers = nn.ModuleList(new Upsample(outputChannels));
        RegisterComponents();
    }

    /// <summary>[N, C, H, W] → [N, C', 2H, 2W].</summary>
    /// <param name="skips">The last is taken first; null where there are none.</param>
    public Tensor Forward(Tensor x, Stack<Tensor>? skips, Tensor? time)
    {
        for (int layer = 0; layer < _resnets.Count; layer++)
        {
            x = _resnets[layer].Forward(skips is null ? x : cat([x, skips.Pop()], 1), time);
            if (_attentions is not null)
                x = _attentions[layer].Forward(x);
        }
        return _upsamplers is null ? x : _upsamplers[0].forward(x);
    }
}
