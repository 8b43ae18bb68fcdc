// Every number that decides what the model learns and how it draws.
using Microsoft.ML.Transfusion;
using Samples.Common;

namespace CaptionedPhotos;

internal static class PhotosTraining
{
    /// <summary>How captions are drawn and pictures captioned.</summary>
    public static GenerationOptions Generation => GenerationOptions.Fast;

    public static TransfusionTrainer.Options Options(RunSettings settings, ImageAutoencoder? autoencoder, IProgress<TrainingProgress> progress, CancellationToken interruption) => new()
    {
        TextColumnName = nameof(Photo.Caption),
        ImageColumnName = "Image",
        // A GPU does in a second what two cores do in minutes: it affords a larger network, four times the patches and larger batches.
        Transformer = settings.Gpu is null ? TransformerConfig.Tiny : TransformerConfig.Small,
        Image = new ImageCodecConfig { ImageHeight = 32, ImageWidth = 32, PatchSize = (settings.Gpu is null ? 4 : 2) / (autoencoder?.DownsamplingFactor ?? 1) },
        Autoencoder = autoencoder,
        Diffusion = new DiffusionConfig
        {
            Prediction = PredictionType.Velocity,
            DiffusionLossWeight = 1,
            // Right captions need image-first pairs with little noise, right drawings need the others.
            ImageFirstShare = 0.6,
            ImageFirstMaxTimestep = 200,
        },
        Optimizer = OptimizerConfig.Minutes with { LearningRate = settings.Gpu is null ? 1.5e-3 : 8e-4, BatchSize = settings.Gpu is null ? 32 : 128 },
        HorizontalFlip = autoencoder is null,               // its captions do not say "left"; latents are encoded once
        Generation = Generation,
        ScoringBatchSize = 100,
        NumberOfSteps = settings.Steps,
        MaxTrainingTime = settings.TrainingTime,
        Seed = settings.Seed,
        Progress = progress,
        CancellationToken = interruption,
    };
}
