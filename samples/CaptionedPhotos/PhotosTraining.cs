// Every number that decides what the model learns and how it draws.
using Microsoft.ML.Transfusion;
using Samples.Common;

namespace CaptionedPhotos;

internal static class PhotosTraining
{
    /// <summary>How captions are drawn and pictures captioned.</summary>
    public static GenerationOptions Generation => GenerationOptions.Fast;

    public static TransfusionTrainer.Options Options(RunSettings settings, IProgress<TrainingProgress> progress, CancellationToken interruption) => new()
    {
        TextColumnName = nameof(Photo.Caption),
        ImageColumnName = "Image",
        Tokenizer = TokenizerConfig.TrainOnText(vocabularySize: 512),
        Transformer = TransformerConfig.Tiny,
        Image = new ImageCodecConfig { ImageHeight = 32, ImageWidth = 32, PatchSize = 4 },
        Diffusion = new DiffusionConfig
        {
            Prediction = PredictionType.Velocity,
            // Right captions need image-first pairs, right drawings need the others.
            ImageFirstShare = 0.5,
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
