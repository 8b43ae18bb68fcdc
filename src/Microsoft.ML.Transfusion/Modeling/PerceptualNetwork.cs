// Likeness as a network sees it (Zhang et al. 2018): convolutions of VGG's kind, whose features at several resolutions are compared place by place.
// Names of weights are those of torchvision's VGG; weights that say how much each feature counts, those of LPIPS.
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed partial class PerceptualNetwork : nn.Module
{
    private const double Epsilon = 1e-10;

    // Mean and deviation of ImageNet's pictures, which such networks were trained on, for pixels in [−1, 1].
    private static readonly float[] Means = [0.485f * 2 - 1, 0.456f * 2 - 1, 0.406f * 2 - 1], Deviations = [0.229f * 2, 0.224f * 2, 0.225f * 2];

    [ComponentName(Name = "features")]
    private readonly Sequential _features;
    private readonly Dictionary<int, Tensor> _importance = [];      // of the features at each resolution, [1, C, 1, 1]; none: all count alike
    private readonly Tensor _mean = tensor(Means, [3, 1, 1]).DetachFromDisposeScope(), _deviation = tensor(Deviations, [3, 1, 1]).DetachFromDisposeScope();

    private PerceptualNetwork(IEnumerable<(string, nn.Module<Tensor, Tensor>)> layers) : base(nameof(PerceptualNetwork))
    {
        _features = nn.Sequential(layers);
        RegisterComponents();
    }

    /// <summary>A small network that knows nothing yet: one convolution at each resolution.</summary>
    /// <param name="channels">Of the convolutions, from the picture's resolution down.</param>
    public static PerceptualNetwork Create(IReadOnlyList<int> channels, Generator generator)
    {
        List<nn.Module<Tensor, Tensor>> layers = [];
        for (int level = 0; level < channels.Count; level++)
        {
            if (level > 0)
                layers.Add(nn.MaxPool2d(2));
            layers.AddRange([new ImageConvolution(level == 0 ? 3 : channels[level - 1], channels[level], 3, padding: 1), nn.ReLU()]);
        }
        var network = new PerceptualNetwork(layers.Select((layer, at) => ($"{at}", layer)));
        ConvolutionalWeights.Initialize(network, generator);
        return network;
    }

    /// <summary>Takes the convolutions "features.N" of a file; where a number is left out between two, the resolution is halved. "linK.model.1.weight" weighs the features of the K-th resolution.</summary>
    /// <exception cref="FormatException">The file has no such convolutions, or they do not follow each other.</exception>
    public static PerceptualNetwork Load(string path)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        int[] places = [.. file.Names.Select(name => ConvolutionName().Match(name)).Where(match => match.Success)
            .Select(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)).Order()];
        if (places.Length == 0)
            throw new FormatException($"{path} has no 'features.0.weight': it holds no convolutions of VGG's kind, as torchvision's vgg16 has.");
        List<(string, nn.Module<Tensor, Tensor>)> layers = [];
        long channels = 3;
        foreach ((int index, int place) in places.Index())
        {
            Tensor weight = file.Read($"features.{place}.weight");
            int gap = place - (index == 0 ? -2 : places[index - 1]);
            if (weight.dim() != 4 || weight.shape[1] != channels || weight.shape[2] != 3 || gap is not (2 or 3))
                throw new FormatException($"{path}: 'features.{place}.weight' is [{string.Join(", ", weight.shape)}]; [any, {channels}, 3, 3] is expected there, one ReLU and at most one pooling after the last.");
            if (gap == 3)
                layers.Add(($"{place - 1}", nn.MaxPool2d(2)));
            var convolution = new ImageConvolution(channels, weight.shape[0], 3, padding: 1);
            convolution.Weight.copy_(weight);
            if (!file.TryGetEntry($"features.{place}.bias", out SafeTensorsEntry? bias) || !bias.Shape.SequenceEqual([weight.shape[0]]))
                throw new FormatException($"{path} lacks 'features.{place}.bias' [{weight.shape[0]}].");
            convolution.Bias.copy_(file.Read(bias.Name));
            layers.AddRange([($"{place}", convolution), ($"{place + 1}", nn.ReLU())]);
            channels = weight.shape[0];
        }
        var network = new PerceptualNetwork(layers);
        for (int level = 0; file.TryGetEntry($"lin{level}.model.1.weight", out SafeTensorsEntry? entry); level++)
            network._importance.Add(level, file.Read(entry.Name).DetachFromDisposeScope());
        return network;
    }

    /// <summary>Features at each resolution of pictures [N, 3, H, W] in [−1, 1]: [N, C, H, W], [N, C', H/2, W/2], …</summary>
    public IReadOnlyList<Tensor> Features(Tensor images)
    {
        List<Tensor> found = [];
        Tensor x = images.Plus(_mean, -1) / _deviation;
        foreach (nn.Module<Tensor, Tensor> layer in _features.children().Cast<nn.Module<Tensor, Tensor>>())
        {
            if (layer is MaxPool2d)
                found.Add(x);
            x = layer.forward(x);
        }
        return [.. found, x];
    }

    /// <summary>How unlike pictures are, a scalar: squared differences of features that were brought to length 1, averaged over places and summed over resolutions.</summary>
    public Tensor Distance(Tensor images, Tensor others)
    {
        using var scope = NewDisposeScope();
        Tensor distance = zeros([], images.dtype, images.device);
        foreach ((int level, (Tensor left, Tensor right)) in Features(images).Zip(Features(others)).Index())
        {
            Tensor difference = Unit(left).Plus(Unit(right), -1).Squared();
            if (_importance.TryGetValue(level, out Tensor? importance))
                difference = difference * importance.to(images.device);
            distance = distance.Plus(difference.sum(1).mean());
        }
        return distance.MoveToOuterDisposeScope();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach (Tensor tensor in _importance.Values)
                tensor.Dispose();
        }
        base.Dispose(disposing);
    }

    private static Tensor Unit(Tensor features) => features / features.Squared().sum(1, keepdim: true).Plus(Epsilon).sqrt();

    [GeneratedRegex(@"^features\.(\d+)\.weight$")]
    private static partial Regex ConvolutionName();
}
