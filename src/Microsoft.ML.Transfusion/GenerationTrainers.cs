// mlContext.Generation.Trainers.
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Transfusion;

/// <summary>Trainers of models that generate.</summary>
public sealed class GenerationTrainers
{
    private readonly IHostEnvironment _environment;

    internal GenerationTrainers(IHostEnvironment environment) => _environment = environment;

    /// <summary>Trains a Transfusion model that captions pictures and draws captions.</summary>
    /// <param name="textColumnName">The caption column, of type text.</param>
    /// <param name="imageColumnName">The image column; pictures of any size, fitted to 32×32.</param>
    /// <param name="numberOfSteps">Optimizer steps; null leaves it to <paramref name="maxTrainingTime"/>, or means 5,000 if that is null too.</param>
    /// <param name="maxTrainingTime">Time to train; null for no limit. Whichever comes first ends the run.</param>
    /// <param name="transformer">Size of the network; <see cref="TransformerConfig.Tiny"/> if null.</param>
    /// <param name="image">The size of pictures and patches; 32×32 and 4×4 if null.</param>
    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    public TransfusionTrainer Transfusion(string textColumnName = "Caption", string imageColumnName = "Image", int? numberOfSteps = null,
        TimeSpan? maxTrainingTime = null, TransformerConfig? transformer = null, ImageCodecConfig? image = null) => new(_environment, new()
        {
            TextColumnName = textColumnName,
            ImageColumnName = imageColumnName,
            NumberOfSteps = numberOfSteps,
            MaxTrainingTime = maxTrainingTime,
            Transformer = transformer ?? TransformerConfig.Tiny,
            Image = image ?? new(),
        });

    /// <summary>Trains a Transfusion model with options.</summary>
    /// <param name="options">All there is to set.</param>
    /// <exception cref="ArgumentException">An option is out of its range, or two contradict each other.</exception>
    public TransfusionTrainer Transfusion(TransfusionTrainer.Options options) => new(_environment, options);

    /// <summary>Trains an autoencoder on pictures of 32×32, whose latents a Transfusion model can then be trained on.</summary>
    /// <param name="imageColumnName">The image column; pictures of any size, fitted to 32×32.</param>
    /// <param name="numberOfSteps">Optimizer steps; null leaves it to <paramref name="maxTrainingTime"/>, or means 2,000 if that is null too.</param>
    /// <param name="maxTrainingTime">Time to train; null for no limit. Whichever comes first ends the run.</param>
    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    public ImageAutoencoderTrainer ImageAutoencoder(string imageColumnName = "Image", int? numberOfSteps = null, TimeSpan? maxTrainingTime = null) =>
        new(_environment, new() { ImageColumnName = imageColumnName, NumberOfSteps = numberOfSteps, MaxTrainingTime = maxTrainingTime });

    /// <summary>Trains an autoencoder with options.</summary>
    /// <param name="options">All there is to set.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public ImageAutoencoderTrainer ImageAutoencoder(ImageAutoencoderTrainer.Options options) => new(_environment, options);
}
