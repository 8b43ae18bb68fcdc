using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

public sealed class ImageConvolutionTests
{
    // Channels that fill blocks of 8, 16 and 32, and such as do not; oneDNN takes other ways with strides.
    [Theory]
    [InlineData(3, 32, 3, 1)]
    [InlineData(32, 3, 3, 1)]
    [InlineData(12, 12, 3, 1)]
    [InlineData(24, 20, 3, 1)]
    [InlineData(40, 16, 3, 1)]
    [InlineData(64, 1, 4, 1)]
    [InlineData(6, 6, 1, 1)]
    [InlineData(32, 64, 3, 1)]
    [InlineData(32, 32, 3, 2)]
    [InlineData(48, 32, 3, 2)]
    [InlineData(80, 48, 4, 2)]
    public void Results_and_gradients_are_those_in_64_bit_whatever_the_number_of_channels(int inputs, int outputs, int size, int stride)
    {
        using var scope = NewDisposeScope();
        using var convolution = new ImageConvolution(inputs, outputs, size, stride, size / 2);
        ConvolutionalWeights.Initialize(convolution, new Generator(1, CPU));
        Tensor weight = convolution.Weight, bias = convolution.Bias, images = randn([3, inputs, 10, 12], generator: new Generator(2, CPU));

        Tensor[] expected = WithGradients(images, weight, bias, ScalarType.Float64, (x, w, b) => nn.functional.conv2d(x, w, b, strides: [stride, stride], padding: [size / 2, size / 2]));
        Tensor[] inBlocks = WithGradients(images, weight, bias, ScalarType.Float32, (x, w, b) => OneDnn.ConvolveInBlocks(x, w, b, stride, size / 2));
        Tensor x = images.detach().requires_grad_(), y = convolution.forward(x);
        y.backward([y.detach().cos()]);
        Tensor[] own = [y, x.grad!, weight.grad!, bias.grad!];

        foreach ((int at, string what) in ((string[])["the result", "the images' gradient", "the weight's gradient", "the bias's gradient"]).Index())
        {
            double tolerance = 1e-5 * Math.Max(1, expected[at].abs().max().ToDouble());
            TensorAssert.Close(expected[at], own[at], tolerance, what);
            TensorAssert.Close(expected[at], inBlocks[at], tolerance, $"{what}, in blocks,");
        }
    }

    private static Tensor[] WithGradients(Tensor images, Tensor weight, Tensor bias, ScalarType type, Func<Tensor, Tensor, Tensor, Tensor> convolve)
    {
        Tensor Leaf(Tensor tensor) => tensor.detach().to(type, copy: true).requires_grad_();
        Tensor x = Leaf(images), w = Leaf(weight), b = Leaf(bias), y = convolve(x, w, b);
        y.backward([y.detach().cos()]);
        return [y, x.grad!, w.grad!, b.grad!];
    }
}
