// Every number that decides what the model learns and how it draws.
using Microsoft.ML.Transfusion;
using Samples.Common;
using Shapes.Data;

namespace Shapes;

internal static class ShapesTraining
{
    /// <summary>Pictures to learn from; in the default time each is seen several times.</summary>
    public const int NumberOfPictures = 30_000;

    /// <summary>Held-out pictures to caption, and held-out captions to draw.</summary>
    public const int NumberOfEvaluations = 600;

    /// <summary>Sizes of the network by name, the default first: on two cores it sees the most pictures in minutes.</summary>
    public static OrderedDictionary<string, TransformerConfig> Transformers => new() { [nameof(TransformerConfig.Tiny)] = TransformerConfig.Tiny, [nameof(TransformerConfig.Mini)] = TransformerConfig.Mini, [nameof(TransformerConfig.Small)] = TransformerConfig.Small };

    /// <summary>How pictures are cut into patches, unless the command says otherwise: sixteen of 8×8 through linear layers, which in equal time draw as well as a U-Net here and take more steps (docs/patches.md).</summary>
    public static ImageCodecConfig Image => new()
    {
        ImageHeight = Renderer.Side,
        ImageWidth = Renderer.Side,
        PatchSize = 8,
    };

    /// <summary>
    /// How captions are drawn and pictures captioned: with fresh noise at every step, which puts right what an earlier one got wrong; and twice, of which
    /// the model keeps the drawing that it would sooner caption so (docs/guidance-and-sampling.md).
    /// </summary>
    public static GenerationOptions Generation => GenerationOptions.Fast with { Sampler = DiffusionSamplerType.Ddim, Eta = 1, GuidanceScale = 2, MaxNewTokens = 32, NumberOfImageCandidates = 2 };

    public static TransfusionTrainer.Options Options(RunSettings settings, IProgress<TrainingProgress> progress, CancellationToken interruption) => new()
    {
        TextColumnName = nameof(CaptionedShape.Caption),
        ImageColumnName = nameof(CaptionedShape.Image),
        Transformer = Transformers.First().Value,
        Image = Image,
        Diffusion = DiffusionConfig.Minutes,
        Optimizer = OptimizerConfig.Minutes with { BatchSize = 32 },     // sixteen patches a picture leave room for twice the preset's
        Generation = Generation,
        ScoringBatchSize = 128,
        NumberOfSteps = settings.Steps,
        MaxTrainingTime = settings.TrainingTime,
        Seed = settings.Seed,
        Progress = progress,
        CancellationToken = interruption,
    };
}
