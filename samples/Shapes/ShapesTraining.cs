// Every number that decides what the model learns and how it draws.
using Microsoft.ML.Transfusion;
using Samples.Common;

namespace Shapes;

internal static class ShapesTraining
{
    /// <summary>Pictures to learn from; in the default time each is seen several times.</summary>
    public const int NumberOfPictures = 30_000;

    /// <summary>Held-out pictures to caption, and held-out captions to draw.</summary>
    public const int NumberOfEvaluations = 600;

    /// <summary>How captions are drawn and pictures captioned: with fresh noise at every step, which puts right what an earlier one got wrong (docs/log.md).</summary>
    public static GenerationOptions Generation => GenerationOptions.Fast with { Sampler = DiffusionSamplerType.Ddim, Eta = 1, GuidanceScale = 2, MaxNewTokens = 32 };

    public static TransfusionTrainer.Options Options(RunSettings settings, IProgress<TrainingProgress> progress, CancellationToken interruption) => new()
    {
        TextColumnName = nameof(CaptionedShape.Caption),
        ImageColumnName = nameof(CaptionedShape.Image),
        Transformer = TransformerConfig.Tiny,
        Image = new ImageCodecConfig { ImageHeight = 32, ImageWidth = 32, PatchSize = 4 },
        Diffusion = DiffusionConfig.Minutes,
        Optimizer = OptimizerConfig.Minutes,
        Generation = Generation,
        ScoringBatchSize = 128,
        NumberOfSteps = settings.Steps,
        MaxTrainingTime = settings.TrainingTime,
        Seed = settings.Seed,
        Progress = progress,
        CancellationToken = interruption,
    };
}
