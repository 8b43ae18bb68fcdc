// Pictures to the parameters of latents: residual blocks at falling resolutions (Rombach et al. 2022). Names of weights are those of diffusers.
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed class ImageEncoder : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "conv_in")]
    private readonly ImageConvolution _input;
    [ComponentName(Name = "down_blocks")]
    private readonly ModuleList<DownBlock> _down;
    [ComponentName(Name = "mid_block")]
    private readonly MidBlock _middle;
    [ComponentName(Name = "conv_norm_out")]
    private readonly GroupNorm _norm;
    [ComponentName(Name = "conv_out")]
    private readonly ImageConvolution _output;

    /// <param name="outputChannels">Numbers at each place of the latent.</param>
    public ImageEncoder(AutoencoderShape shape, int outputChannels) : base(nameof(ImageEncoder))
    {
        IReadOnlyList<int> channels = shape.BlockChannels;
        _input = new ImageConvolution(shape.ImageChannels, channels[0], 3, padding: 1);
        _down = nn.ModuleList([.. channels.Select((count, level) =>
            new DownBlock(shape.Blocks, channels[Math.Max(level - 1, 0)], count, shape.LayersPerBlock, downsamples: level < channels.Count - 1))]);
        _middle = new MidBlock(shape.Blocks, channels[^1], shape.Attends);
        _norm = nn.GroupNorm(shape.Groups, channels[^1], shape.Blocks.Epsilon);
        _output = new ImageConvolution(channels[^1], outputChannels, 3, padding: 1);
        RegisterComponents();
    }

    /// <summary>[N, 3, H, W] → [N, C, H/f, W/f].</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = _input.forward(input);
        foreach (DownBlock block in _down)
            hidden = block.Forward(hidden, time: null).Output;
        hidden = _middle.Forward(hidden, time: null);
        return _output.forward(nn.functional.silu(_norm.forward(hidden))).MoveToOuterDisposeScope();
    }
}
