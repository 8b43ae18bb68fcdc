// Image patches into the transformer and out of it by the two halves of a U-Net (Transfusion §3, §4.3.3): the way down makes patch vectors of noisy
// latents, the way up makes the prediction of what the transformer made of them, with skip connections from the residual blocks of the one to those of
// the other. Both stand beside the linear layers, whose sums they join: alone, a U-Net learns to denoise long before it learns to do as the text says.
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <summary>The size of a U-Net for patches of 1, 2, 4 or 8 latents a side: each level halves the resolution.</summary>
/// <param name="PlaceSize">Latents along one side of what the convolutions take as one place.</param>
/// <param name="Channels">At each level, from the places' resolution to the patches'.</param>
/// <param name="Layers">Residual blocks of a level, on the way down and on the way up.</param>
internal sealed record UNetPatchShape(PatchGrid Grid, int PlaceSize, IReadOnlyList<int> Channels, int Layers, int HiddenSize)
{
    /// <summary>Values of the timestep embedding.</summary>
    public int TimeSize => 4 * Channels[0];

    // One group is layer norm over an image: the paper puts it in place of adaptive norm.
    public UNetBlockSettings Blocks => new(TimeSize, Groups: 1);

    /// <summary>Values of one place.</summary>
    public int PlaceValues => Grid.Channels * PlaceSize * PlaceSize;

    /// <summary>A level for every halving that the patches need, and the places' own.</summary>
    /// <param name="width">Channels of the first level; each next one has twice as many, at most four times.</param>
    public static UNetPatchShape Of(PatchGrid grid, int placeSize, int width, int layers, int hiddenSize)
    {
        if (grid.PatchHeight != grid.PatchWidth || !int.IsPow2(grid.PatchWidth))
            throw new ArgumentException($"A U-Net halves resolutions, so its patches are square with sides of 1, 2, 4 or 8, not {grid.PatchHeight}×{grid.PatchWidth}.", nameof(grid));
        return new UNetPatchShape(grid, placeSize, [.. Enumerable.Range(0, int.Log2(grid.PatchWidth / placeSize) + 1).Select(level => width << Math.Min(level, 2))], layers, hiddenSize);
    }
}

/// <summary>What the way up wants of the way down.</summary>
internal sealed record UNetPass(IReadOnlyList<Tensor> Skips, Tensor Time);

/// <summary>Noisy latents to patch vectors.</summary>
internal sealed class UNetPatchEncoder : nn.Module
{
    [ComponentName(Name = "time")]
    private readonly TimestepEmbedding _time;
    [ComponentName(Name = "conv_in")]
    private readonly ImageConvolution _input;
    [ComponentName(Name = "down_blocks")]
    private readonly ModuleList<DownBlock> _down;
    [ComponentName(Name = "proj")]
    private readonly Linear _projection;
    private readonly int _layers, _placeSize;

    public UNetPatchEncoder(UNetPatchShape shape) : base(nameof(UNetPatchEncoder))
    {
        (_layers, _placeSize) = (shape.Layers, shape.PlaceSize);
        IReadOnlyList<int> channels = shape.Channels;
        _time = new TimestepEmbedding(shape.TimeSize, shape.TimeSize);
        _input = new ImageConvolution(shape.PlaceValues, channels[0], 3, padding: 1);
        _down = nn.ModuleList([.. channels.Select((count, level) =>
            new DownBlock(shape.Blocks, channels[Math.Max(level - 1, 0)], count, shape.Layers, downsamples: level < channels.Count - 1))]);
        _projection = nn.Linear(channels[^1], shape.HiddenSize);
        RegisterComponents();
    }

    /// <summary>Latents [N, C, H, W] at timesteps [N] → patch vectors [N, P, D], in raster order, and what <see cref="UNetPatchDecoder"/> wants.</summary>
    public (Tensor Patches, UNetPass Pass) Forward(Tensor latents, Tensor timesteps)
    {
        Tensor time = _time.forward(timesteps), hidden = _input.forward(nn.functional.pixel_unshuffle(latents.to(_input.Weight.dtype), _placeSize));
        List<Tensor> skips = [];
        foreach (DownBlock block in _down)
        {
            (hidden, IReadOnlyList<Tensor> made) = block.Forward(hidden, time);
            skips.AddRange(made.Take(_layers));             // not the halved one
        }
        return (_projection.forward(hidden.flatten(2).transpose(1, 2)), new UNetPass(skips, time));
    }
}

/// <summary>The transformer's patch vectors to the prediction.</summary>
internal sealed class UNetPatchDecoder : nn.Module
{
    [ComponentName(Name = "proj")]
    private readonly Linear _projection;
    [ComponentName(Name = "up_blocks")]
    private readonly ModuleList<UpBlock> _up;
    [ComponentName(Name = "norm")]
    private readonly GroupNorm _norm;
    [ComponentName(Name = "conv_out")]
    private readonly ImageConvolution _output;
    private readonly UNetPatchShape _shape;

    public UNetPatchDecoder(UNetPatchShape shape) : base(nameof(UNetPatchDecoder))
    {
        _shape = shape;
        IReadOnlyList<int> channels = shape.Channels;
        int last = channels.Count - 1;
        _projection = nn.Linear(shape.HiddenSize, channels[last]);
        _up = nn.ModuleList([.. Enumerable.Range(0, channels.Count).Select(step => last - step).Select(level => new UpBlock(
            shape.Blocks, channels[level], [.. Enumerable.Repeat(channels[level], shape.Layers)], channels[Math.Max(level - 1, 0)], upsamples: level > 0))]);
        _norm = nn.GroupNorm(shape.Blocks.Groups, channels[0], shape.Blocks.Epsilon);
        _output = new ImageConvolution(channels[0], shape.PlaceValues, 3, padding: 1);
        RegisterComponents();
    }

    /// <summary>Patch vectors [N, P, D] → the diffusion prediction [N, C, H, W].</summary>
    public Tensor Forward(Tensor patches, UNetPass pass)
    {
        PatchGrid grid = _shape.Grid;
        Tensor hidden = _projection.forward(patches).transpose(1, 2).reshape(patches.shape[0], -1, grid.Height / grid.PatchHeight, grid.Width / grid.PatchWidth);
        var skips = new Stack<Tensor>(pass.Skips);
        foreach (UpBlock block in _up)
            hidden = block.Forward(hidden, skips, pass.Time);
        return nn.functional.pixel_shuffle(_output.forward(nn.functional.silu(_norm.forward(hidden))), _shape.PlaceSize);
    }
}
