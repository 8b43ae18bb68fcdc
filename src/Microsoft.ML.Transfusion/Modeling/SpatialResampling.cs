// Halving and doubling the resolution by convolutions. Names of weights are those of diffusers.
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <summary>[N, C, H, W] → [N, C, H/2, W/2].</summary>
internal sealed class Downsample : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "conv")]
    private readonly ImageConvolution _convolution;
    private readonly bool _isAsymmetric;

    /// <param name="isAsymmetric">Whether zeros are added at the right and the bottom alone, as autoencoders do, instead of on all sides.</param>
    public Downsample(int channels, bool isAsymmetric = false) : base(nameof(Downsample))
    {
        _isAsymmetric = isAsymmetric;
        _convolution = new ImageConvolution(channels, channels, 3, stride: 2, padding: isAsymmetric ? 0 : 1);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return _convolution.forward(_isAsymmetric ? nn.functional.pad(input, [0, 1, 0, 1]) : input).MoveToOuterDisposeScope();
    }
}

/// <summary>[N, C, H, W] → [N, C, 2H, 2W]: every place four times, then a convolution.</summary>
internal sealed class Upsample : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "conv")]
    private readonly ImageConvolution _convolution;

    public Upsample(int channels) : base(nameof(Upsample))
    {
        _convolution = new ImageConvolution(channels, channels, 3, padding: 1);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        (long count, long channels, long height, long width) = (input.shape[0], input.shape[1], input.shape[2], input.shape[3]);
        // What interpolate does as well, several times more slowly on a CPU.
        Tensor repeated = input.reshape(count, channels, height, 1, width, 1).expand(count, channels, height, 2, width, 2).reshape(count, channels, 2 * height, 2 * width);
        return _convolution.forward(repeated).MoveToOuterDisposeScope();
    }
}
