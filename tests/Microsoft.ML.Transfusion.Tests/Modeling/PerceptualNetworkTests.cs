using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

public sealed class PerceptualNetworkTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly TemporaryFolder _folder = new();
    private readonly Generator _generator = new(1, CPU);

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
        _generator.Dispose();
    }

    [Fact]
    public void Equal_pictures_have_no_distance_and_it_grows_with_noise()
    {
        using PerceptualNetwork network = PerceptualNetwork.Create([8, 16], _generator);
        Tensor picture = Noise(2, 3, 8, 8), noise = Noise(2, 3, 8, 8);

        double[] distances = [.. new[] { 0.0, 0.1, 0.5 }.Select(scale => network.Distance(picture, picture + noise * scale).ToDouble())];

        Assert.Equal(0, distances[0]);
        Assert.Equal(distances.Order(), distances);
        Assert.True(distances[2] > distances[1]);
        Assert.Equal([[2, 8, 8, 8], [2, 16, 4, 4]], network.Features(picture).Select(features => features.shape));
    }

    [Fact]
    public void Convolutions_of_a_file_are_taken_where_their_numbers_say_with_the_weights_of_features()
    {
        // As torchvision numbers them: convolution 0, ReLU 1, convolution 2, ReLU 3, pooling 4, convolution 5.
        Dictionary<string, Tensor> weights = Vgg((0, 3, 4), (2, 4, 4), (5, 4, 6));
        using PerceptualNetwork network = PerceptualNetwork.Load(Write(weights));
        Tensor picture = Noise(1, 3, 8, 8), other = Noise(1, 3, 8, 8);
        Tensor scaled = (picture - tensor(new[] { -0.03f, -0.088f, -0.188f }, 3, 1, 1)) / tensor(new[] { 0.458f, 0.448f, 0.45f }, 3, 1, 1);
        Tensor Convolve(Tensor x, int at) => nn.functional.relu(nn.functional.conv2d(x, weights[$"features.{at}.weight"], weights[$"features.{at}.bias"], padding: [1, 1]));
        Tensor first = Convolve(Convolve(scaled, 0), 2), second = Convolve(nn.functional.max_pool2d(first, 2), 5);

        TensorAssert.Close(first, network.Features(picture)[0], 1e-5);
        TensorAssert.Close(second, network.Features(picture)[1], 1e-5);

        weights["lin0.model.1.weight"] = zeros(1, 4, 1, 1);
        weights["lin1.model.1.weight"] = ones(1, 6, 1, 1);
        using PerceptualNetwork weighted = PerceptualNetwork.Load(Write(weights));
        IReadOnlyList<Tensor> left = network.Features(picture), right = network.Features(other);
        Tensor Unit(Tensor x) => x / x.pow(2).sum(1, keepdim: true).sqrt();
        double expected = (Unit(left[1]) - Unit(right[1])).pow(2).sum(1).nan_to_num(0).mean().ToDouble();
        Assert.Equal(expected, weighted.Distance(picture, other).ToDouble(), 1e-4);
    }

    [Fact]
    public void A_file_that_holds_none_names_what_is_wrong()
    {
        Assert.Contains("has no 'features.0.weight'", Error(new() { ["classifier.weight"] = zeros(2) }), StringComparison.Ordinal);
        Assert.Contains("'features.2.weight' is [4, 5, 3, 3]; [any, 4, 3, 3] is expected", Error(Vgg((0, 3, 4), (2, 5, 4))), StringComparison.Ordinal);
        Assert.Contains("'features.7.weight'", Error(Vgg((0, 3, 4), (7, 4, 4))), StringComparison.Ordinal);
        Dictionary<string, Tensor> biasless = Vgg((0, 3, 4));
        biasless.Remove("features.0.bias");
        Assert.Contains("lacks 'features.0.bias' [4]", Error(biasless), StringComparison.Ordinal);
    }

    private string Error(Dictionary<string, Tensor> weights) => Assert.Throws<FormatException>(() => PerceptualNetwork.Load(Write(weights))).Message;

    private Dictionary<string, Tensor> Vgg(params (int At, int Inputs, int Outputs)[] convolutions) => convolutions
        .SelectMany(each => new (string, Tensor)[] { ($"features.{each.At}.weight", Noise(each.Outputs, each.Inputs, 3, 3)), ($"features.{each.At}.bias", Noise(each.Outputs)) })
        .ToDictionary(pair => pair.Item1, pair => pair.Item2);

    private string Write(Dictionary<string, Tensor> weights)
    {
        string path = _folder.File("vgg.safetensors");
        using FileStream stream = File.Create(path);
        SafeTensors.Write(stream, weights);
        return path;
    }

    private Tensor Noise(params long[] shape) => randn(shape, generator: _generator) * 0.5;
}
