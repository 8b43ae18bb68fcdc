using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests;

public sealed class ImageAutoencoderTrainerTests : IDisposable
{
    internal static readonly ImageAutoencoderTrainer.Options Options = new()
    {
        ImageHeight = 8,
        ImageWidth = 8,
        Autoencoder = new AutoencoderConfig { BlockChannels = [8, 8], NumberOfGroups = 4 },
        NumberOfSteps = 40,
        BatchSize = 4,
        Seed = 1,
    };

    private readonly MLContext _ml = new(1);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private IDataView Pictures => TinyTraining.View(_ml, TinyTraining.Rows());

    [Theory]
    [InlineData(null)]
    [InlineData(16)]
    public void Fit_learns_and_a_saved_transformer_does_the_same_bit_for_bit(int? codes)
    {
        List<AutoencoderProgress> reports = [];
        ImageAutoencoderTrainer.Options options = Options with
        {
            Autoencoder = Options.Autoencoder with { NumberOfCodes = codes },
            NumberOfSteps = 150,
            Progress = new Listener(reports.Add),
        };
        using ImageAutoencoderTransformer untrained = _ml.Generation.Trainers.ImageAutoencoder(options with { NumberOfSteps = 1 }).Fit(Pictures);
        double before = _ml.Generation.EvaluateReconstruction(untrained.Transform(Pictures)).PeakSignalToNoiseRatio;
        reports.Clear();

        using ImageAutoencoderTransformer trained = _ml.Generation.Trainers.ImageAutoencoder(options).Fit(Pictures);

        IDataView view = trained.Transform(Pictures);
        ReconstructionMetrics metrics = _ml.Generation.EvaluateReconstruction(view);
        Assert.True(metrics.PeakSignalToNoiseRatio > before + 1, $"{metrics.PeakSignalToNoiseRatio:0.00} dB after training, {before:0.00} before");
        Assert.Equal(10, metrics.ImageCount);
        Assert.Equal((150, 1.0), (reports[^1].Step, reports[^1].Fraction));
        Assert.Equal(codes is null, reports[^1].CodebookUsage is null);
        Assert.StartsWith("trained on the pictures themselves", trained.Autoencoder.PerceptualFeatures, StringComparison.Ordinal);
        if (trained.Autoencoder is VqAutoencoder vq)
            Assert.InRange(vq.CodebookUsage!.Value, 2 / 16.0, 1);
        else
            Assert.InRange(((KlAutoencoder)trained.Autoencoder).ScalingFactor, 0.01, 100);

        _ml.Model.Save(trained, Pictures.Schema, _folder.File("autoencoder.zip"));
        using var loaded = (ImageAutoencoderTransformer)_ml.Model.Load(_folder.File("autoencoder.zip"), out _);
        Assert.Equal(Reconstructed(view), Reconstructed(loaded.Transform(Pictures)));
        Assert.Equal(trained.Autoencoder.PerceptualFeatures, loaded.Autoencoder.PerceptualFeatures);
        Assert.Equal(trained.Autoencoder.GetType(), loaded.Autoencoder.GetType());
    }

    [Fact]
    public void The_same_seed_gives_the_same_weights()
    {
        using ImageAutoencoderTransformer first = _ml.Generation.Trainers.ImageAutoencoder(Options).Fit(Pictures), second = _ml.Generation.Trainers.ImageAutoencoder(Options).Fit(Pictures);
        foreach ((string name, Tensor weight) in first.Autoencoder.Stored.Network.state_dict())
            Assert.True(weight.bytes.SequenceEqual(second.Autoencoder.Stored.Network.state_dict()[name].bytes), name);
    }

    [Fact]
    public void Features_may_come_from_a_file_or_play_no_part()
    {
        using (FileStream file = File.Create(_folder.File("features.safetensors")))
        using (var generator = new Generator(1, CPU))
        using (NewDisposeScope())
            SafeTensors.Write(file, new Dictionary<string, Tensor> { ["features.0.weight"] = randn([4, 3, 3, 3], generator: generator), ["features.0.bias"] = zeros(4) });
        using ImageAutoencoderTransformer named = _ml.Generation.Trainers.ImageAutoencoder(Options with { NumberOfSteps = 2, PerceptualFeaturesFile = _folder.File("features.safetensors") }).Fit(Pictures);
        using ImageAutoencoderTransformer without = _ml.Generation.Trainers.ImageAutoencoder(Options with { NumberOfSteps = 2, PerceptualWeight = 0, AdversarialWeight = 0 }).Fit(Pictures);

        Assert.Equal("of the file features.safetensors", named.Autoencoder.PerceptualFeatures);
        Assert.Equal("none", without.Autoencoder.PerceptualFeatures);

        File.WriteAllText(_folder.File("text.safetensors"), "no tensors at all");
        var error = Assert.Throws<FormatException>(() => _ml.Generation.Trainers.ImageAutoencoder(Options with { PerceptualFeaturesFile = _folder.File("text.safetensors") }).Fit(Pictures));
        Assert.Contains("PerceptualFeaturesFile", error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, ImageAutoencoderTrainer.Options> Refused => new()
    {
        { "NumberOfGroups (4)", Options with { Autoencoder = Options.Autoencoder with { BlockChannels = [8, 6] } } },
        { "BlockChannels is []", Options with { Autoencoder = Options.Autoencoder with { BlockChannels = [] } } },
        { "LayersPerBlock is 0", Options with { Autoencoder = Options.Autoencoder with { LayersPerBlock = 0 } } },
        { "LatentChannels is 0", Options with { Autoencoder = Options.Autoencoder with { LatentChannels = 0 } } },
        { "NumberOfCodes is 1", Options with { Autoencoder = Options.Autoencoder with { NumberOfCodes = 1 } } },
        { "ImageHeight is 9; it must be a multiple of the downsampling factor, 2", Options with { ImageHeight = 9 } },
        { "NumberOfSteps is 0", Options with { NumberOfSteps = 0 } },
        { "MaxTrainingTime", Options with { MaxTrainingTime = TimeSpan.Zero } },
        { "BatchSize is 0", Options with { BatchSize = 0 } },
        { "LearningRate is NaN", Options with { LearningRate = double.NaN } },
        { "AdversarialStart is 2", Options with { AdversarialStart = 2 } },
        { "AdversarialWeight is 0.5; it must be 0 for pictures below 8×8", Options with { ImageHeight = 4 } },
        { "PerceptualFeaturesFile is nowhere.safetensors", Options with { PerceptualFeaturesFile = "nowhere.safetensors" } },
        { "'Image' occurs twice", Options with { ReconstructedImageColumnName = "Image" } },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Options_out_of_range_are_refused_by_name(string message, ImageAutoencoderTrainer.Options options) =>
        Assert.Contains(message, Assert.ThrowsAny<ArgumentException>(() => _ml.Generation.Trainers.ImageAutoencoder(options)).Message, StringComparison.Ordinal);

    [Fact]
    public void Data_without_pictures_is_refused_before_training()
    {
        Assert.Contains("'Photo' was not found", Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Generation.Trainers.ImageAutoencoder(Options with { ImageColumnName = "Photo" }).Fit(Pictures)).Message, StringComparison.Ordinal);
        Assert.Contains("needs an image", Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Generation.Trainers.ImageAutoencoder(Options with { ImageColumnName = "Caption" }).Fit(Pictures)).Message, StringComparison.Ordinal);
        IDataView empty = TinyTraining.View(_ml, [new PictureRow { Caption = "no picture" }]);
        Assert.Contains("no row to learn from", Assert.Throws<InvalidOperationException>(() => _ml.Generation.Trainers.ImageAutoencoder(Options).Fit(empty)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cancellation_ends_the_run_within_a_step_and_keeps_what_there_is()
    {
        using var source = new CancellationTokenSource();
        int reports = 0;
        ImageAutoencoderTrainer.Options options = Options with
        {
            NumberOfSteps = 1_000_000,
            CancellationToken = source.Token,
            Progress = new Listener(_ =>
            {
                reports++;
                source.Cancel();
            }),
        };
        using ImageAutoencoderTransformer trained = _ml.Generation.Trainers.ImageAutoencoder(options with { PerceptualWeight = 0 }).Fit(Pictures);
        Assert.Equal(2, reports);
        Assert.Equal(10, Reconstructed(trained.Transform(Pictures)).Count);

        Assert.Throws<OperationCanceledException>(() => _ml.Generation.Trainers.ImageAutoencoder(options).Fit(Pictures));
    }

    [Fact]
    public void A_pipeline_knows_the_column_and_the_estimator_says_so_before()
    {
        var pipeline = _ml.Transforms.CopyColumns("Photo", "Image").Append(_ml.Generation.Trainers.ImageAutoencoder(Options with { NumberOfSteps = 1, ImageColumnName = "Photo" }));
        using var chain = pipeline.Fit(Pictures);
        using var engine = _ml.Model.CreatePredictionEngine<PictureRow, ReconstructedRow>(chain, new PredictionEngineOptions { OwnsTransformer = false });

        MLImage image = engine.Predict(TinyTraining.Rows(1)[0]).ReconstructedImage!;

        Assert.Equal((8, 8), (image.Width, image.Height));
        Assert.Equal(Reconstructed(chain.Transform(Pictures))[0], image.Pixels.ToArray());
    }

    private static List<byte[]> Reconstructed(IDataView view) => [.. view.GetColumn<MLImage>("ReconstructedImage").Select(image => image.Pixels.ToArray())];

    private sealed class Listener(Action<AutoencoderProgress> told) : IProgress<AutoencoderProgress>
    {
        public void Report(AutoencoderProgress value) => told(value);
    }

    private sealed class ReconstructedRow
    {
        [Microsoft.ML.Transforms.Image.ImageType(8, 8)]
        public MLImage? ReconstructedImage { get; set; }
    }
}
