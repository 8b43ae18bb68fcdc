// Every number that decides what the model learns and how it draws.
using Microsoft.ML.Transfusion;
using Samples.Common;

namespace Shapes;

internal static class ShapesTraining
{
    /// <summary>Pictures to learn from; in the default time each is seen several times.</summary>
    public const int NumberOfPictures = 20_000;

    /// <summary>Held-out pictures to caption, and held-out captions to draw.</summary>
    public const int NumberOfEvaluations = 600;

    /// <summary>How captions are drawn and pictures captioned; the longest caption has fewer than 32 tokens.</summary>
    public static GenerationOptions Generation => GenerationOptions.Fast with { MaxNewTokens = 32 };

    public static TransfusionTrainer.Options Options(RunSettings settings, IProgress<TrainingProgress> progress, CancellationToken interruption) => new()
    {
        TextColumnName = nameof(CaptionedShape.Caption),
        ImageColumnName = nameof(CaptionedShape.Image),
        Tokenizer = TokenizerConfig.TrainOnText(vocabularySize: 300),
        Transformer = TransformerConfig.Tiny,
        Image = new ImageCodecConfig { ImageHeight = 32, ImageWidth = 32, PatchSize = 4 },
        Diffusion = new DiffusionConfig
        {
            // Flat pictures are few among all pictures: a network that predicts the picture, not the noise, draws crisp shapes from the start.
            Prediction = PredictionType.Sample,
            LossTarget = PredictionType.Velocity,
            // The number of objects is decided at high noise.
            Timesteps = TimestepDistribution.HighNoise,
            DiffusionLossWeight = 2,
            ImageFirstShare = 0.25,
        },
        Optimizer = new OptimizerConfig { LearningRate = 2e-3, BatchSize = 32 },
        Generation = Generation,
        NumberOfSteps = settings.Steps,
        MaxTrainingTime = settings.TrainingTime,
        Seed = settings.Seed,
        Progress = progress,
        CancellationToken = interruption,
    };
}
