// Eight pictures of four coloured quarters each, with captions, small enough to be learned by heart in seconds.
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Imaging;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tokenization;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests;

internal static class CaptionedPictures
{
    public const int Size = 8;

    public static readonly string[] Captions =
        ["a barn", "the sea", "a cat on a mat", "two cups", "night", "a red door", "grass", "an old map of a city"];

    public static TransfusionConfig Config => new()
    {
        Transformer = new() { HiddenSize = 64, NumberOfLayers = 2, NumberOfHeads = 4, MaxSequenceLength = 96, LearnedPatchPositions = true },
        Diffusion = new() { Prediction = PredictionType.Sample, LossTarget = PredictionType.Velocity, ImageFirstShare = 0.4 },
        Image = new() { ImageHeight = Size, ImageWidth = Size, PatchSize = 4 },
    };

    public static TextTokenizer Tokenizer { get; } = TextTokenizer.Train(Captions, 280);

    /// <summary>Picture number i, [3, 8, 8] in [−1, 1]; the caller's.</summary>
    public static Tensor Pixels(int index)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)index + 100, CPU);
        Tensor quarters = randint(0, 2, [3, 2, 2], dtype: ScalarType.Float32, generator: generator) * 1.6 - 0.8;
        return quarters.repeat_interleave(Size / 2, 1).repeat_interleave(Size / 2, 2).MoveToOuterDisposeScope();
    }

    public static MLImage Picture(int index)
    {
        using Tensor pixels = Pixels(index);
        return ImageTensors.ToImage(pixels);
    }

    /// <summary>Caption and picture, eight times; the pictures outlive every dispose scope.</summary>
    public static Document[] Documents { get; } =
    [
        .. Captions.Select((caption, index) => new Document([new TextPart(Tokenizer.Encode(caption)), new ImagePart(Pixels(index).DetachFromDisposeScope())])),
    ];

    public static TrainingOptions Options(int steps) => new(
        new OptimizerConfig { BatchSize = 16, LearningRate = 4e-3, WarmupSteps = 20, WeightDecay = 0.01, EmaDecay = 0.99 },
        steps, MaxTrainingTime: null, Seed: 1, TrainingPrecision.Float32, CPU);

    public static TransfusionModel Train(int steps) => TransfusionModel.Train(Config, Options(steps), Tokenizer, Documents, []);
}
