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
    private static AutoencoderConfig Shape => new() { BlockChannels = [32, 64, 64], NumberOfCodes = 256 };

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
            Seed = 1,
        }).Fit(pictures);
        IDataView heldOut = ml.Data.LoadFromEnumerable(ExperimentData.Open(data).HeldOut());
        ReconstructionMetrics metrics = ml.Generation.EvaluateReconstruction(trained.Transform(heldOut));
        Console.WriteLine($"PSNR {metrics.PeakSignalToNoiseRatio:F2} dB on {metrics.ImageCount} held-out pictures.");
        trained.Autoencoder.SaveFolder(folder);
    }
}
