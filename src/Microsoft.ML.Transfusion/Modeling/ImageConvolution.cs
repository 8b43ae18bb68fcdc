// A square convolution over images, with a bias; on a CPU, one that oneDNN gets right.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <summary>[N, C, H, W] → [N, C', H', W']. Weight and bias are filled by <see cref="ConvolutionalWeights"/> or from a file.</summary>
internal sealed class ImageConvolution : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;                     // [C', C, size, size]
    [ComponentName(Name = "bias")]
    private readonly Parameter _bias;                       // [C']
    private readonly long _stride, _padding;

    /// <param name="size">Of the window, along a side.</param>
    /// <param name="padding">Zeros added on each side.</param>
    public ImageConvolution(long inputChannels, long outputChannels, long size, long stride = 1, long padding = 0) : base(nameof(ImageConvolution))
    {
        (_stride, _padding) = (stride, padding);
        _weight = new Parameter(zeros(outputChannels, inputChannels, size, size));
        _bias = new Parameter(zeros(outputChannels));
        _weight.DetachFromDisposeScope();
        _bias.DetachFromDisposeScope();
        RegisterComponents();
    }

    public Parameter Weight => _weight;

    public Parameter Bias => _bias;

    public override Tensor forward(Tensor input) => input.device_type == DeviceType.CPU && !OneDnn.TakesAnyChannels
        ? OneDnn.ConvolveInBlocks(input, _weight, _bias, _stride, _padding)
        : nn.functional.conv2d(input, _weight, _bias, strides: [_stride, _stride], padding: [_padding, _padding]);
}
