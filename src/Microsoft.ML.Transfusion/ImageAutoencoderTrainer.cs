// Pictures → training → transformer. Long work starts only when options, schema, features and device are known to be good.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Codecs;
using Microsoft.ML.Transfusion.Data;
using Microsoft.ML.Transfusion.Interop;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion;

/// <summary>Trains an autoencoder on pictures, before a Transfusion model is trained on its latents (Transfusion §4.1, Appendix A). docs/autoencoders.md is the guide.</summary>
/// <remarks>The device is the MLContext's. Messages go to <c>MLContext.Log</c>.</remarks>
public sealed partial class ImageAutoencoderTrainer : IEstimator<ImageAutoencoderTransformer>
{
    private const int WarmupSteps = 50;

    private readonly IHostEnvironment _environment;
    private readonly IHost _host;
    private readonly Options _options;

    internal ImageAutoencoderTrainer(IHostEnvironment environment, Options options)
    {
        _environment = environment;
        _host = environment.Register(nameof(ImageAutoencoderTrainer));
        _options = options ?? throw _host.Process(new ArgumentNullException(nameof(options)));
        Validate(_host, options);
    }

    private ReconstructionConfig Reconstruction =>
        new(_options.ImageColumnName, _options.ReconstructedImageColumnName, _options.ImageHeight, _options.ImageWidth, _options.ScoringBatchSize);

    private InputColumn Column => new(_options.ImageColumnName, IsImage: true);

    /// <summary>Reads the pictures once, trains, and returns the transformer.</summary>
    /// <param name="input">Rows with the image column.</param>
    /// <exception cref="ArgumentOutOfRangeException">The image column is missing, or is no image.</exception>
    /// <exception cref="FormatException"><see cref="Options.PerceptualFeaturesFile"/> holds no convolutions that can be used.</exception>
    /// <exception cref="InvalidOperationException">There is no picture to learn from, the GPU asked for is absent, or training diverges.</exception>
    public ImageAutoencoderTransformer Fit(IDataView input)
    {
        if (input is null)
            throw _host.Process(new ArgumentNullException(nameof(input)));
        new ColumnTypes(_host, input.Schema).Require(Column);
        Device device = ContextDevice.Of(_environment);
        using PerceptualNetwork? features = _options is { PerceptualWeight: > 0, PerceptualFeaturesFile: { } file } ? LoadFeatures(file) : null;
        features?.to(device);
        using IChannel channel = _host.Start("Train");
        using var cache = new DataCache(_host, _options.CacheMemory, folder: null);
        IReadOnlyList<Document> pictures = new DocumentReader(_host, channel, [Column], _options.UnreadableImages, Reconstruction.Pictures, "training data", _options.CancellationToken)
            .Read(input, new RowDocuments(Reconstruction.Pictures, new PixelCodec(), cache)).Pictures();
        return new ImageAutoencoderTransformer(_environment, Train(pictures, features, device, channel), Reconstruction);
    }

    /// <summary>The input's columns and the one that the trained transformer will add.</summary>
    /// <param name="inputSchema">The shape of the training data.</param>
    /// <exception cref="ArgumentOutOfRangeException">The image column is missing, or is no image.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        if (inputSchema is null)
            throw _host.Process(new ArgumentNullException(nameof(inputSchema)));
        new ColumnTypes(_host, inputSchema).Require(Column);
        return OutputSchemas.Append(inputSchema, Reconstruction.Scoring.Outputs, Reconstruction.Pictures);
    }

    private PerceptualNetwork LoadFeatures(string file)
    {
        try
        {
            return PerceptualNetwork.Load(file);
        }
        catch (FormatException exception)
        {
            throw _host.Process(new FormatException($"PerceptualFeaturesFile: {exception.Message}", exception));
        }
    }

    private ImageAutoencoder Train(IReadOnlyList<Document> pictures, PerceptualNetwork? features, Device device, IChannel channel)
    {
        int seed = _options.Seed ?? MLNetInternals.SeedOf(_environment) ?? Random.Shared.Next();
        AutoencoderConfigFile config = ConfigFile();
        AutoencoderNetwork network = config.CreateNetwork();
        try
        {
            using (var generator = new Generator((ulong)(uint)seed, CPU))
                ConvolutionalWeights.Initialize(network, generator);
            network.MoveTo(device);
            int? steps = _options.NumberOfSteps ?? (_options.MaxTrainingTime is null ? Options.DefaultNumberOfSteps : null);
            channel.Info(MessageSensitivity.None, "Training an autoencoder on {0} pictures, on {1}, seed {2}.", pictures.Count, device, seed);
            var options = new AutoencoderOptions(Optimizer(), steps, _options.MaxTrainingTime, seed, device, _options.PerceptualWeight, _options.AdversarialWeight,
                _options.AdversarialStart, _options.KullbackLeiblerWeight, _options.HorizontalFlip, progress => Report(channel, progress), _options.CancellationToken);
            using var training = new AutoencoderTraining(network, pictures.Count, number => ((ImagePart)pictures[number].Parts[0]).Latents, options);
            string own = training.Run(features) ?? (features is null ? "none" : $"of the file {Path.GetFileName(_options.PerceptualFeaturesFile)}");
            channel.Info(MessageSensitivity.UserData, "Perceptual features: {0}.", own);
            double? usage = network is VqAutoencoderNetwork vq ? training.CodebookUsage(vq) : null;
            double deviation = training.LatentDeviation();
            network.MoveTo(CPU);
            return ImageAutoencoder.Of(new StoredAutoencoder(config with { ScalingFactor = 1 / deviation }, network, StoredAutoencoder.NotesOf(own, usage)));
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    private AutoencoderConfigFile ConfigFile()
    {
        AutoencoderConfig config = _options.Autoencoder;
        var shape = new AutoencoderShape([.. config.BlockChannels], config.LayersPerBlock, config.LatentChannels, config.NumberOfGroups, Attends: config.MiddleAttention);
        return new AutoencoderConfigFile(shape, Codes: config.NumberOfCodes is { } codes ? new Codebook(codes, config.LatentChannels) : null);
    }

    /// <summary>AdamW as GANs are trained: a short memory of gradients, since the discriminator changes what is asked for.</summary>
    private OptimizerConfig Optimizer() => new()
    {
        LearningRate = _options.LearningRate,
        WarmupSteps = WarmupSteps,
        BatchSize = _options.BatchSize,
        Beta1 = 0.5,
        Beta2 = 0.9,
        WeightDecay = 0,
        EmaDecay = 0.995,
    };

    private void Report(IChannel channel, AutoencoderProgress progress)
    {
        MLNetInternals.CheckAlive(_host);
        channel.Trace(MessageSensitivity.None, "Step {0}: pixels {1:0.0000}, perceptual {2:0.0000}, adversarial {3:0.000}, latents {4:0.000}", progress.Step, progress.ReconstructionLoss,
            progress.PerceptualLoss, progress.AdversarialLoss, progress.LatentLoss);
        _options.Progress?.Report(progress);
    }
}
