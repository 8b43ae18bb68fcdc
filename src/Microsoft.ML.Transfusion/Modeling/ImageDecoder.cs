// Latents to pictures: residual blocks at rising resolutions (Rombach et al. 2022). Names of weights are those of diffusers.
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed class ImageDecoder : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "conv_in")]
    private readonly ImageConvolution _input;
    [ComponentName(Name = "mid_block")]
    private readonly MidBlock _middle;
    [ComponentName(Name = "up_blocks")]
    private readonly ModuleList<UpBlock> _up;
    [ComponentName(Name = "conv_norm_out")]
    private readonly GroupNorm _norm;
    [ComponentName(Name = "conv_out")]
    private readonly ImageConvolution _output;

    public ImageDecoder(AutoencoderShape shape) : base(nameof(ImageDecoder))
    {
        int[] channels = [.. shape.BlockChannels.Reverse()];
        int[] noSkips = new int[shape.LayersPerBlock + 1];
        _input = new ImageConvolution(shape.LatentChannels, channels[0], 3, padding: 1);
        _middle = new MidBlock(shape.Blocks, channels[0], shape.Attends);
        _up = nn.ModuleList([.. channels.Select((count, level) =>
            new UpBlock(shape.Blocks, channels[Math.Max(level - 1, 0)], noSkips, count, upsamples: level < channels.Length - 1))]);
        _norm = nn.GroupNorm(shape.Groups, channels[^1], shape.Blocks.Epsilon);
        _output = new ImageConvolution(channels[^1], shape.ImageChannels, 3, padding: 1);
        RegisterComponents();
    }

    /// <summary>[N, C, H/f, W/f] → [N, 3, H, W].</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = _middle.Forward(_input.forward(input), time: null);
        foreach (UpBlock block in _up)
            hidden = block.Forward(hidden, skips: null, time: null);
        return _output.forward(nn.functional.silu(_norm.forward(hidden))).MoveToOuterDisposeScope();
    }
}
