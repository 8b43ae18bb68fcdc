// What the training of an autoencoder can be told, and which values are refused.
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Transfusion;

public sealed partial class ImageAutoencoderTrainer
{
    /// <summary>Options of <see cref="ImageAutoencoderTrainer"/>. Immutable. The weights of the losses are the paper's (Transfusion Appendix A).</summary>
    public sealed record Options
    {
        /// <summary>Steps that a run takes when neither <see cref="NumberOfSteps"/> nor <see cref="MaxTrainingTime"/> is set.</summary>
        public const int DefaultNumberOfSteps = 2000;

        /// <summary>Name of the image column, of any picture size; "Image" by default. Rows without a picture are skipped.</summary>
        public string ImageColumnName { get; init; } = "Image";

        /// <summary>Name of the column that the trained transformer adds; "ReconstructedImage" by default.</summary>
        public string ReconstructedImageColumnName { get; init; } = "ReconstructedImage";

        /// <summary>Height in pixels that pictures are fitted to, a multiple of the downsampling factor; 32 by default. The trained autoencoder takes pictures of any size.</summary>
        public int ImageHeight { get; init; } = 32;

        /// <summary>Width in pixels that pictures are fitted to, a multiple of the downsampling factor; 32 by default.</summary>
        public int ImageWidth { get; init; } = 32;

        /// <summary>Size of the autoencoder, and whether its latents are continuous (KL) or codes (VQ).</summary>
        public AutoencoderConfig Autoencoder { get; init; } = new();

        /// <summary>Optimizer steps, at least 1. Null, the default, leaves it to <see cref="MaxTrainingTime"/>, or means <see cref="DefaultNumberOfSteps"/> if that is null too. Whichever comes first ends the run.</summary>
        public int? NumberOfSteps { get; init; }

        /// <summary>Time to train, above zero, without the reading of the data. Null, the default, sets no limit.</summary>
        public TimeSpan? MaxTrainingTime { get; init; }

        /// <summary>Pictures in one step, at least 1; 16 by default.</summary>
        public int BatchSize { get; init; } = 16;

        /// <summary>Peak learning rate of AdamW, above 0; 1e-3 by default. It rises over 50 steps and falls to a twentieth along a cosine.</summary>
        public double LearningRate { get; init; } = 1e-3;

        /// <summary>Weight of the perceptual loss beside the mean absolute difference of pixels, 0 or above; 1 by default. 0 trains without.</summary>
        public double PerceptualWeight { get; init; } = 1;

        /// <summary>A safetensors file with the convolutions of a VGG, "features.0.weight" and so on as torchvision names them, and LPIPS's weights "lin0.model.1.weight" if they are there. Null, the default, trains a small network on the pictures first, by up to a tenth of the run. The trained autoencoder says which it was.</summary>
        public string? PerceptualFeaturesFile { get; init; }

        /// <summary>Weight of the patch discriminator, 0 or above; 0.5 by default. At 1 it pulls as strongly as the other losses together. 0 trains without.</summary>
        public double AdversarialWeight { get; init; } = 0.5;

        /// <summary>Share of the run after which the discriminator takes part, in [0, 1]; 0.05 by default, the paper's 50,000 steps of a million.</summary>
        public double AdversarialStart { get; init; } = 0.05;

        /// <summary>Weight of the Kullback–Leibler divergence of a KL autoencoder, 0 or above; 1e-6 by default. As in latent diffusion it counts beside losses summed over a picture's pixels and colours.</summary>
        public double KullbackLeiblerWeight { get; init; } = 1e-6;

        /// <summary>Whether pictures are mirrored in half of their visits. On by default: an autoencoder knows no captions that say "left".</summary>
        public bool HorizontalFlip { get; init; } = true;

        /// <summary>The seed of everything that is random. Null, the default, takes the MLContext's, or a fresh one if that has none.</summary>
        public int? Seed { get; init; }

        /// <summary>What happens when a picture cannot be read; <see cref="UnreadableImages.Skip"/> by default.</summary>
        public UnreadableImages UnreadableImages { get; init; } = UnreadableImages.Skip;

        /// <summary>Bytes of memory for the decoded pictures, at least 0; 1 GiB by default. What is beyond goes to a memory-mapped file in the system's temporary folder.</summary>
        public long CacheMemory { get; init; } = 1L << 30;

        /// <summary>Rows that the trained transformer reads ahead and reconstructs together, at least 1; 32 by default. Saved with it.</summary>
        public int ScoringBatchSize { get; init; } = Data.ScoringConfig.DefaultBatchSize;

        /// <summary>Told about the run, on the training thread, twice a second at most.</summary>
        public IProgress<AutoencoderProgress>? Progress { get; init; }

        /// <summary>Ends training within one step, with the autoencoder so far. Before the first step there is none: <see cref="OperationCanceledException"/>.</summary>
        public CancellationToken CancellationToken { get; init; }
    }

    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    private static void Validate(IExceptionContext context, Options options)
    {
        var check = new OptionChecks(context);
        check.Name(options.ImageColumnName, "ImageColumnName");
        check.Name(options.ReconstructedImageColumnName, "ReconstructedImageColumnName");
        check.Distinct([options.ImageColumnName, options.ReconstructedImageColumnName], "ImageColumnName and ReconstructedImageColumnName");
        AutoencoderConfig config = options.Autoencoder;
        check.NotNull(config, "Autoencoder");
        check.NotNull(config.BlockChannels, "Autoencoder.BlockChannels");
        string channels = string.Join(", ", config.BlockChannels);
        check.That(config.NumberOfGroups >= 1, "Autoencoder.NumberOfGroups", config.NumberOfGroups, "at least 1");
        check.That(config.BlockChannels.Count is >= 1 and <= 8 && config.BlockChannels.All(count => count >= 1 && count % config.NumberOfGroups == 0),
            "Autoencoder.BlockChannels", $"[{channels}]", $"one to eight multiples of NumberOfGroups ({config.NumberOfGroups})");
        check.That(config.LayersPerBlock >= 1, "Autoencoder.LayersPerBlock", config.LayersPerBlock, "at least 1");
        check.That(config.LatentChannels >= 1, "Autoencoder.LatentChannels", config.LatentChannels, "at least 1");
        check.That(config.NumberOfCodes is not < 2, "Autoencoder.NumberOfCodes", config.NumberOfCodes, "at least 2, or null for a KL autoencoder");
        foreach ((int size, string name) in ((int, string)[])[(options.ImageHeight, "ImageHeight"), (options.ImageWidth, "ImageWidth")])
            check.That(size >= 1 && size % config.Factor == 0, name, size, $"a multiple of the downsampling factor, {config.Factor} with {config.BlockChannels.Count} Autoencoder.BlockChannels");
        check.That(options.NumberOfSteps is not < 1, "NumberOfSteps", options.NumberOfSteps, "at least 1, or null");
        check.That(options.MaxTrainingTime is null || options.MaxTrainingTime > TimeSpan.Zero, "MaxTrainingTime", options.MaxTrainingTime, "above zero, or null");
        check.That(options.BatchSize >= 1, "BatchSize", options.BatchSize, "at least 1");
        check.Finite(options.LearningRate, "LearningRate", aboveZero: true);
        check.Finite(options.PerceptualWeight, "PerceptualWeight");
        check.That(options.PerceptualFeaturesFile is not { } file || File.Exists(file), "PerceptualFeaturesFile", options.PerceptualFeaturesFile, "a safetensors file that exists, or null to train features on the pictures");
        check.Finite(options.AdversarialWeight, "AdversarialWeight");
        check.That(options.AdversarialWeight == 0 || (options.ImageHeight >= 8 && options.ImageWidth >= 8), "AdversarialWeight", options.AdversarialWeight, "0 for pictures below 8×8, which have no patches to judge");
        check.Share(options.AdversarialStart, "AdversarialStart");
        check.Finite(options.KullbackLeiblerWeight, "KullbackLeiblerWeight");
        check.That(Enum.IsDefined(options.UnreadableImages), "UnreadableImages", options.UnreadableImages, "a value of UnreadableImages");
        check.That(options.CacheMemory >= 0, "CacheMemory", options.CacheMemory, "at least 0 bytes");
        check.That(options.ScoringBatchSize >= 1, "ScoringBatchSize", options.ScoringBatchSize, "at least 1");
    }
}
