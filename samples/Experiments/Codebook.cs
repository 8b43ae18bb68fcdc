// The quantized autoencoder of the discrete recipe: trained once on the data, for all runs of all sizes, as Chameleon's was.
using Microsoft.ML;
using Microsoft.ML.Transfusion;
using Samples.Common;

namespace Experiments;

internal static class Codebook
{
    private const int Steps = 3000;
    private const int MostPictures = 30_000;

    /// <summary>64 codes of 4×4 pixels a picture, out of 256: four times as many positions as patches, as in the paper's comparison.</summary>
    private static AutoencoderConfig Shape => new() { BlockChannels = [16, 32, 64], NumberOfCodes = 256 };

    public static string FolderOf(string cache, string data) => Path.Combine(cache, "autoencoders", data == ExperimentData.Shapes ? data : Experiment.Fingerprint(Path.GetFullPath(data)));

    /// <summary>Trains it and writes its folder.</summary>
    public static void Train(string data, string folder)
    {
        MLContext ml = new(1);
        IDataView pictures = ml.Data.LoadFromEnumerable(ExperimentData.Open(data).Training(MostPictures, seed: 1));
        using ImageAutoencoderTransformer trained = ml.Generation.Trainers.ImageAutoencoder(new ImageAutoencoderTrainer.Options
        {
            Autoencoder = Shape,
            NumberOfSteps = Steps,
            // Flat shapes have no texture that a discriminator or features would keep; without them a step takes a third of the time.
            PerceptualWeight = 0,
            AdversarialWeight = 0,
            Seed = 1,
            Progress = new Progress(),
        }).Fit(pictures);
        var pairs = ExperimentData.Open(data);
        ReconstructionMetrics metrics = ml.Generation.EvaluateReconstruction(trained.Transform(ml.Data.LoadFromEnumerable(pairs.HeldOut())));
        double? shown = pairs.HeldOut().Average(pair => pairs.Shows(trained.Autoencoder.Reconstruct(pair.Image!), pair.Caption) is { } shows ? shows ? 1.0 : 0 : null);
        Console.WriteLine($"PSNR {metrics.PeakSignalToNoiseRatio:F2} dB on {metrics.ImageCount} held-out pictures; {shown:P1} of them show their captions after it; "
            + $"{((VqAutoencoder)trained.Autoencoder).CodebookUsage:P0} of the codes in use.");
        trained.Autoencoder.SaveFolder(folder);
    }

    private sealed class Progress : IProgress<AutoencoderProgress>
    {
        private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);
        private TimeSpan _next;

        public void Report(AutoencoderProgress value)
        {
            if (value.Elapsed < _next && value.Fraction < 1)
                return;
            _next = value.Elapsed + Interval;
            Console.WriteLine($"{value.Fraction,4:P0}  step {value.Step:N0}, pixels {value.ReconstructionLoss:F4}, codes in use {value.CodebookUsage:P0}, {value.Elapsed.TotalSeconds:F0} s");
        }
    }
}
