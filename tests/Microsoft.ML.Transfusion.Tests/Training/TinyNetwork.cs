// A network of a few thousand weights and documents for it, for what can be learned of training without much training.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tests.Modeling;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Training;

internal static class TinyNetwork
{
    public static readonly SpecialTokens Special = SpecialTokens.After(RandomNetwork.Vocabulary - 5);

    public static TransfusionConfig Config { get; } = new()
    {
        Transformer = RandomNetwork.Everything with { HiddenSize = 16, NumberOfHeads = 4, NumberOfLayers = 1 },
        Image = new() { ImageHeight = 4, ImageWidth = 4, PatchSize = 2 },
    };

    /// <summary>Pairs of a caption of two to four tokens and a picture.</summary>
    public static Document[] Documents(int count, int seed = 1)
    {
        var random = new Random(seed);
        using var generator = new Generator((ulong)seed, CPU);
        return [.. Enumerable.Range(0, count).Select(_ => new Document([Text(random), new ImagePart(randn([3, 4, 4], generator: generator).DetachFromDisposeScope())]))];
    }

    public static TextPart Text(Random random) => new([.. Enumerable.Range(0, random.Next(2, 5)).Select(_ => random.Next(RandomNetwork.Vocabulary - 5))]);

    public static TransfusionNetwork Create(ulong seed = 1)
    {
        var network = new TransfusionNetwork(Config.Transformer, RandomNetwork.Vocabulary, RandomNetwork.PatchVectorSize, RandomNetwork.PatchCount);
        using var generator = new Generator(seed, CPU);
        network.Initialize(generator);
        return network;
    }
}
