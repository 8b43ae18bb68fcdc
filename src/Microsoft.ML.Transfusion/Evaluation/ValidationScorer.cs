// How good a model is in numbers that runs of different recipes share. Diffusion losses are not: each is in the unit of what is predicted and at
// the timesteps of its own schedule. So the error is that of the clean picture x₀ which a prediction implies, at four fixed noise levels.
using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Torch;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Evaluation;

internal static class ValidationScorer
{
    // sin φ: how much of the noise is in the picture at these places of the cosine schedule. Nearer to the picture its pixels tell what to draw, whatever
    // the caption says; nearer to the noise nobody can know where things are.
    internal static readonly double[] Spreads = [.. new[] { 0.4, 0.55, 0.7, 0.85 }.Select(place => Math.Sin(place * Math.PI / 2))];

    /// <summary>Language loss of texts given their clean pictures, and the error of pictures given their texts.</summary>
    public static TransfusionValidationMetrics Evaluate(TransfusionNetwork network, TransfusionConfig config, SpecialTokens special,
        IReadOnlyList<Document> documents, int batchSize)
    {
        using var noGradient = no_grad();
        using DiffusionProcess diffusion = InCleanPictures(config.Diffusion, network.Device);
        double language = 0;
        double[] errors = new double[Spreads.Length];
        long tokens = 0, images = 0;
        foreach (Document[] chunk in documents.Chunk(batchSize))
        {
            using var scope = NewDisposeScope();
            using SequenceBatch read = DocumentScorer.Layout(chunk, imageFirst: true, config, special), drawn = DocumentScorer.Layout(chunk, imageFirst: false, config, special);
            language += TransfusionLoss.Compute(network, diffusion, read, config.Grid, DocumentScorer.Draw(read, timestep: 0, noisy: false)).LanguageLoss?.sum().AsDouble() ?? 0;
            tokens += read.Targets.shape[0];
            images += drawn.Images is null ? 0 : drawn.MaxTimesteps.Length;                 // codes have no such error
            for (int level = 0; level < Spreads.Length && drawn.Images is not null; level++)
            {
                (int timestep, double weight) = TimestepOf(Spreads[level], diffusion, config.Diffusion);
                NoiseDraw? draw = DocumentScorer.Draw(drawn, timestep, noisy: true);
                errors[level] += weight * TransfusionLoss.Compute(network, diffusion, drawn, config.Grid, draw).DiffusionLoss!.sum().AsDouble();
            }
        }
        return new TransfusionValidationMetrics
        {
            LanguageLoss = tokens > 0 ? language / tokens : null,
            PictureError = images > 0 ? Math.Exp(errors.Average(error => Math.Log(error / images))) : null,
        };
    }

    /// <summary>The process, with its loss in x₀ where it has the choice.</summary>
    internal static DiffusionProcess InCleanPictures(DiffusionConfig config, Device device) =>
        DiffusionProcess.Create(config.Objective == DiffusionObjective.Ddpm ? config with { LossTarget = PredictionType.Sample } : config, device);

    /// <summary>The timestep at which a process is about as noisy, and what turns its loss there into the error of x₀.</summary>
    internal static (int Timestep, double Weight) TimestepOf(double spread, DiffusionProcess diffusion, DiffusionConfig config)
    {
        double signal = Math.Sqrt(1 - spread * spread);
        if (diffusion is GaussianDiffusion gaussian)
            return (Math.Max(0, Array.FindLastIndex(gaussian.Schedule.AlphasCumprod, alpha => alpha >= signal * signal)), 1);
        double sigma = spread / (spread + signal);                      // x_σ = (1 − σ) x₀ + σ ε, so x₀ = x_σ − σ · velocity
        int timestep = (int)Math.Round(sigma * config.NumberOfTrainTimesteps);
        return (timestep, Math.Pow((double)timestep / config.NumberOfTrainTimesteps, 2));
    }
}
