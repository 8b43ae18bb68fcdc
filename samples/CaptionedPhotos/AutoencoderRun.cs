// Trains an autoencoder on the pictures, measures it on the test pictures, and writes its folder, autoencoder.zip, reconstructed.png and autoencoder.json.
using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion;
using Samples.Common;

namespace CaptionedPhotos;

internal static class AutoencoderRun
{
    private const int Shown = 10;
    private const int NumberOfCodes = 512;
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>The autoencoder of a folder, of either kind.</summary>
    public static ImageAutoencoder Load(string folder) =>
        File.ReadAllText(Path.Combine(folder, "config.json")).Contains("VQModel", StringComparison.Ordinal) ? VqAutoencoder.LoadFolder(folder) : KlAutoencoder.LoadFolder(folder);

    public static void TrainAndEvaluate(string dataFolder, string testFolder, bool isQuantized, RunSettings settings)
    {
        Directory.CreateDirectory(settings.Output);
        MLContext ml = settings.CreateContext();
        IDataView photos = ml.Generation.LoadCaptionedImages(dataFolder);
        var loader = ml.Transforms.LoadImages("Image", imageFolder: "", inputColumnName: nameof(Photo.ImagePath)).Fit(photos);
        AutoencoderProgress? last = null;
        TimeSpan next = TimeSpan.Zero;
        using ImageAutoencoderTransformer trained = ml.Generation.Trainers.ImageAutoencoder(new ImageAutoencoderTrainer.Options
        {
            Autoencoder = new AutoencoderConfig { NumberOfCodes = isQuantized ? NumberOfCodes : null },
            NumberOfSteps = settings.Steps,
            MaxTrainingTime = settings.TrainingTime,
            Seed = settings.Seed,
            Progress = new Watch(progress =>
            {
                last = progress;
                if (progress.Elapsed < next && progress.Fraction < 1)
                    return;
                next = progress.Elapsed + TimeSpan.FromSeconds(15);
                Console.WriteLine($"{progress.Fraction,4:P0}  step {progress.Step:N0}, pixels {progress.ReconstructionLoss:F4}, perceptual {progress.PerceptualLoss:F4}, "
                    + $"adversarial {progress.AdversarialLoss:F3}, latents {progress.LatentLoss:F3}{(progress.CodebookUsage is { } usage ? $", codes in use {usage:P0}" : "")}");
            }),
        }).Fit(loader.Transform(photos));
        ImageAutoencoder autoencoder = trained.Autoencoder;
        autoencoder.SaveFolder(settings["autoencoder"]);
        ml.Generation.SaveModel(trained, loader.GetOutputSchema(photos.Schema), settings["autoencoder.zip"]);

        IReadOnlyList<Photo> chosen = TestPhotos.Choose(ml.Data.CreateEnumerable<Photo>(ml.Generation.LoadCaptionedImages(testFolder), reuseRowObject: false), settings.Seed);
        IDataView reconstructed = trained.Transform(loader.Transform(ml.Data.LoadFromEnumerable(chosen)));
        ReconstructionMetrics metrics = ml.Generation.EvaluateReconstruction(reconstructed);
        double? codes = autoencoder is VqAutoencoder vq ? UsedCodes(vq, chosen) : null;
        PictureGrid.Save(settings["reconstructed.png"], Compare(autoencoder, chosen), columns: Shown);
        File.WriteAllText(settings["autoencoder.json"], JsonSerializer.Serialize(new
        {
            Kind = isQuantized ? "vq" : "kl",
            metrics.PeakSignalToNoiseRatio,
            metrics.MeanAbsoluteError,
            metrics.ImageCount,
            CodesInUse = codes,
            autoencoder.PerceptualFeatures,
            last?.Step,
            TrainSeconds = last?.Elapsed.TotalSeconds,
            settings.Seed,
        }, Format) + Environment.NewLine);
        Console.WriteLine($"PSNR {metrics.PeakSignalToNoiseRatio:F2} dB on {metrics.ImageCount} test pictures{(codes is { } used ? $", {used:P1} of the codes in use" : "")}; "
            + $"features {autoencoder.PerceptualFeatures}. Written to {settings.Output}");
    }

    /// <summary>Share of the codes that the test pictures use.</summary>
    private static double UsedCodes(VqAutoencoder autoencoder, IEnumerable<Photo> photos)
    {
        HashSet<int> used = [];
        foreach (Photo photo in photos)
        {
            using MLImage image = MLImage.CreateFromFile(photo.ImagePath);
            used.UnionWith(autoencoder.EncodeIndices(image));
        }
        return (double)used.Count / autoencoder.NumberOfCodes;
    }

    /// <summary>A row of pictures, and below it what is left of them.</summary>
    private static List<CaptionedPicture> Compare(ImageAutoencoder autoencoder, IReadOnlyList<Photo> photos)
    {
        MLImage[] images = [.. photos.Take(Shown).Select(photo => MLImage.CreateFromFile(photo.ImagePath))];
        return [.. images.Select(image => new CaptionedPicture(image, "real")), .. images.Select(image => new CaptionedPicture(autoencoder.Reconstruct(image), "reconstructed"))];
    }

    private sealed class Watch(Action<AutoencoderProgress> show) : IProgress<AutoencoderProgress>
    {
        public void Report(AutoencoderProgress value) => show(value);
    }
}
