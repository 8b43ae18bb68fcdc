// The sizes of a measured training step, and a real step of that size: half of every row is text, half is patches.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

/// <param name="Length">Positions in a row, an even number.</param>
internal sealed record StepShape(int HiddenSize, int Layers, int Heads, int Length, int Rows, int VocabularySize = 2048)
{
    private const int PatchSize = 4;
    public const int PatchVectorSize = 3 * PatchSize * PatchSize;
    private const int FramingTokens = 4;                    // BOS, BOI, EOI, EOS
    private static readonly SpecialTokens Special = new(0, 1, 2, 3, 4);

    public int Patches => Length / 2;

    /// <summary>What makes these sizes impossible; null: nothing.</summary>
    public string? Problem =>
        HiddenSize % (2 * Heads) != 0 ? "--dim must be an even multiple of --heads."
        : Length % 2 != 0 || Patches <= FramingTokens ? $"--seq must be even and at least {2 * (FramingTokens + 1)}."
        : null;

    public TransfusionConfig Config => new()
    {
        Transformer = TransformerConfig.Tiny with { HiddenSize = HiddenSize, NumberOfLayers = Layers, NumberOfHeads = Heads, MaxSequenceLength = Length },
        Image = Image,
    };

    /// <summary>A picture as near to a square as the number of patches allows.</summary>
    private ImageCodecConfig Image
    {
        get
        {
            int rows = Enumerable.Range(1, (int)Math.Sqrt(Patches)).Last(rows => Patches % rows == 0);
            return new() { ImageHeight = rows * PatchSize, ImageWidth = Patches / rows * PatchSize, PatchSize = PatchSize };
        }
    }

    public TransfusionNetwork CreateNetwork(Device device)
    {
        var network = new TransfusionNetwork(Config.Transformer, VocabularySize, PatchVectorSize, Patches);
        using (var generator = new Generator(1, CPU))
            network.Initialize(generator);
        network.to(device);
        network.train();
        return network;
    }

    /// <summary>Rows of random tokens followed by a random picture.</summary>
    public GroupedBatch CreateRows(int seed)
    {
        var random = new Random(seed);
        ImageCodecConfig image = Image;
        using var generator = new Generator((ulong)seed, CPU);
        ArrangedDocument Row()
        {
            int[] tokens = [.. Enumerable.Range(0, Length - Patches - FramingTokens).Select(_ => random.Next(Special.EndOfImage + 1, VocabularySize))];
            Tensor picture = rand([3, image.ImageHeight, image.ImageWidth], generator: generator).mul_(2).sub_(1).DetachFromDisposeScope();
            return Arrangement.AsIs(new Document([new TextPart(tokens), new ImagePart(picture)]), Config.Diffusion);
        }
        return new GroupedBatch([.. Enumerable.Range(0, Rows).Select(_ => Row())], default);
    }

    public TrainingBatch CreateBatch(GroupedBatch rows, TrainingOptions options, int step) => TrainingBatch.Create(rows, Config, Special, options, step);
}
