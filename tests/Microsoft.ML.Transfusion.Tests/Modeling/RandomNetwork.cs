// Networks with weights large enough that every path through them shows in the numbers.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

internal static class RandomNetwork
{
    public const int Vocabulary = 50;
    public const int PatchVectorSize = 12;
    public const int PatchCount = 4;

    public static TransformerConfig Small => new() { HiddenSize = 32, NumberOfLayers = 2, NumberOfHeads = 4, MaxSequenceLength = 64 };

    /// <summary>Grouped-query attention, learned patch positions and QK-norm, all at once.</summary>
    public static TransformerConfig Everything => Small with { NumberOfKeyValueHeads = 2, LearnedPatchPositions = true, QueryKeyNorm = true };

    /// <summary>Pictures of 4×4 in four patches.</summary>
    public static PatchGrid Grid { get; } = new(3, 4, 4, 2, 2);

    /// <param name="unet">Whether patches pass a U-Net.</param>
    public static TransfusionNetwork Create(TransformerConfig config, ulong seed = 1, int vocabularySize = Vocabulary, bool unet = false)
    {
        UNetPatchShape? shape = unet ? UNetPatchShape.Of(Grid, placeSize: 1, width: 4, layers: 1, config.HiddenSize) : null;
        var network = new TransfusionNetwork(config, vocabularySize, PatchVectorSize, PatchCount, shape);
        using var generator = new Generator(seed, CPU);
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in network.named_parameters())
        {
            bool isNorm = name.Contains("norm", StringComparison.Ordinal);
            parameter.normal_(isNorm ? 1 : 0, 0.2, generator);
        }
        return network;
    }

    /// <summary>Embedded positions [rows, length, D].</summary>
    public static Tensor Positions(TransformerConfig config, int rows, int length, ulong seed)
    {
        using var generator = new Generator(seed, CPU);
        return randn([rows, length, config.HiddenSize], generator: generator);
    }

    /// <summary>Images of any length anywhere in a sequence, neighbours included.</summary>
    public static ImageSpan[] Layout(int length, Random random)
    {
        var spans = new List<ImageSpan>();
        for (int at = random.Next(4); at < length; at += random.Next(5))
        {
            int size = random.Next(1, 8);
            if (at + size > length)
                break;
            spans.Add(new ImageSpan(at, size));
            at += size;
        }
        return [.. spans];
    }
}
