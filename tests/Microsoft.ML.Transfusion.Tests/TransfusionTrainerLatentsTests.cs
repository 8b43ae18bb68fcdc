using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Codecs;
using Microsoft.ML.Transfusion.Imaging;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests;

/// <summary>An autoencoder of 8×8 pictures, trained once for all tests of a class.</summary>
public sealed class TinyAutoencoders : IDisposable
{
    private readonly ImageAutoencoderTransformer _kl = Fit(codes: null), _vq = Fit(codes: 16);

    public ImageAutoencoder Kl => _kl.Autoencoder;

    public ImageAutoencoder Vq => _vq.Autoencoder;

    public void Dispose()
    {
        _kl.Dispose();
        _vq.Dispose();
    }

    private static ImageAutoencoderTransformer Fit(int? codes)
    {
        MLContext ml = new(1);
        ImageAutoencoderTrainer.Options options = ImageAutoencoderTrainerTests.Options;
        return ml.Generation.Trainers.ImageAutoencoder(options with { Autoencoder = options.Autoencoder with { NumberOfCodes = codes } }).Fit(TinyTraining.View(ml, TinyTraining.Rows()));
    }
}

public sealed class TransfusionTrainerLatentsTests(TinyAutoencoders autoencoders) : IClassFixture<TinyAutoencoders>
{
    private readonly MLContext _ml = new(1);

    private TransfusionTrainer.Options Options => TinyTraining.Options with { Autoencoder = autoencoders.Kl, Image = TinyTraining.Options.Image with { PatchSize = 2 } };

    private IDataView Rows => TinyTraining.View(_ml, TinyTraining.Rows());

    [Theory]
    [InlineData(false, PatchEncoding.Linear)]
    [InlineData(true, PatchEncoding.Linear)]
    [InlineData(false, PatchEncoding.UNet)]
    public void A_model_on_latents_carries_its_autoencoder_and_does_the_same_after_loading_bit_for_bit(bool isQuantized, PatchEncoding encoding)
    {
        TransfusionTrainer.Options options = Options with
        {
            Autoencoder = isQuantized ? autoencoders.Vq : autoencoders.Kl,
            Image = Options.Image with { PatchEncoding = encoding, UNetChannels = 4 },
        };
        using TransfusionTransformer trained = _ml.Generation.Trainers.Transfusion(options).Fit(Rows);
        using var file = new MemoryStream();
        _ml.Model.Save(trained, Rows.Schema, file);
        using var loaded = (TransfusionTransformer)_ml.Model.Load(file, out _);

        List<GeneratedRow> before = TinyTraining.Read(_ml, trained.Transform(Rows)), after = TinyTraining.Read(_ml, loaded.Transform(Rows));

        Assert.Equal((3, 2), (loaded.Model.Config.Latents!.NumberOfChannels, loaded.Model.Config.Latents.DownsamplingFactor));
        Assert.Equal(trained.Model.Config.Latents!.Mean, loaded.Model.Config.Latents.Mean);
        Assert.Equal(4, loaded.Model.Config.Grid.PatchCount);
        Assert.Equal(before.Select(row => row.GeneratedText), after.Select(row => row.GeneratedText));
        Assert.Equal(before.Select(row => row.GeneratedImage!.Pixels.ToArray()), after.Select(row => row.GeneratedImage!.Pixels.ToArray()));
        Assert.Equal(before.Select(row => row.Score), after.Select(row => row.Score));
        Assert.All(before, row => Assert.All(row.Score!, value => Assert.True(float.IsFinite(value))));
        using MLImage alone = loaded.Model.GenerateImage("no 3", options.Generation);
        Assert.Equal(after[3].GeneratedImage!.Pixels.ToArray(), alone.Pixels.ToArray());
    }

    [Fact]
    public void Latents_of_the_training_data_have_mean_0_and_deviation_1_in_each_channel_and_decode_to_what_the_autoencoder_leaves()
    {
        using var scope = NewDisposeScope();
        using TransfusionTransformer trained = _ml.Generation.Trainers.Transfusion(Options).Fit(Rows);
        LatentCodec codec = trained.Model.Codec;
        Tensor[] pictures = [.. TinyTraining.Rows().Select(row => ImageTensors.ToTensor(row.Image!, 8, 8))];

        Tensor latents = stack([.. pictures.Select(codec.Encode)]);                                    // [10, 3, 4, 4]

        TensorAssert.Close(zeros(3), latents.mean([0, 2, 3]), 1e-4);
        TensorAssert.Close(ones(3), latents.std([0, 2, 3], unbiased: false), 1e-4);
        TensorAssert.Close(autoencoders.Kl.Decode(autoencoders.Kl.Encode(pictures[2].unsqueeze(0)))[0], codec.Decode(latents[2]), 1e-5);
    }

    [Fact]
    public void A_trained_model_does_not_need_the_autoencoder_it_was_trained_with()
    {
        using var folder = new TemporaryFolder();
        autoencoders.Kl.SaveFolder(folder.Path);
        KlAutoencoder own = KlAutoencoder.LoadFolder(folder.Path);
        using TransfusionTransformer trained = _ml.Generation.Trainers.Transfusion(Options with { Autoencoder = own }).Fit(Rows);
        own.Dispose();

        using MLImage drawn = trained.Model.GenerateImage("no 1", Options.Generation);

        Assert.Equal(8, drawn.Width);
        Assert.Throws<ObjectDisposedException>(() => _ml.Generation.Trainers.Transfusion(Options with { Autoencoder = own }).Fit(Rows));
    }

    [Fact]
    public void Inpainting_leaves_the_pixels_that_the_mask_keeps_exactly()
    {
        using TransfusionTransformer trained = _ml.Generation.Trainers.Transfusion(Options).Fit(Rows);
        using MLImage source = TinyTraining.Picture(5);
        byte[] mask = [.. Enumerable.Range(0, 64).SelectMany(at => Enumerable.Repeat((byte)(at == 27 ? 255 : 0), 3).Append((byte)255))];
        using MLImage marked = MLImage.CreateFromPixels(8, 8, MLPixelFormat.Rgba32, mask), painted = trained.Model.InpaintImage(source, marked, "no 5", Options.Generation);

        int[] changed = [.. Enumerable.Range(0, 64).Where(at => !source.Pixels.Slice(at * 4, 4).SequenceEqual(painted.Pixels.Slice(at * 4, 4)))];

        Assert.All(changed, at => Assert.Equal(27, at));
    }

    [Fact]
    public void A_run_goes_on_with_its_own_autoencoder_only()
    {
        using var folder = new TemporaryFolder();
        TransfusionTrainer.Options options = Options with { CheckpointFolder = folder.Path, CheckpointInterval = 1, Seed = 3 };
        _ml.Generation.Trainers.Transfusion(options).Fit(Rows).Dispose();
        TransfusionTrainer.Options resumed = options with { ResumeFrom = folder.Path, NumberOfSteps = 5 };

        _ml.Generation.Trainers.Transfusion(resumed).Fit(Rows).Dispose();

        var error = Assert.Throws<InvalidOperationException>(() => _ml.Generation.Trainers.Transfusion(resumed with { Autoencoder = autoencoders.Vq }).Fit(Rows));
        Assert.Contains("Autoencoder", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_does_not_go_with_latents_is_refused()
    {
        string Error(TransfusionTrainer.Options options) => Assert.ThrowsAny<ArgumentException>(() => _ml.Generation.Trainers.Transfusion(options).Fit(Rows)).Message;

        Assert.Contains("PatchSize (3) times the autoencoder's downsampling factor (2), such as 6", Error(Options with { Image = Options.Image with { PatchSize = 3 } }), StringComparison.Ordinal);
        Assert.Contains("HorizontalFlip is True; it must be false with an Autoencoder", Error(Options with { HorizontalFlip = true }), StringComparison.Ordinal);
        Assert.Contains("Autoencoder makes latents of pictures", Assert.Throws<ArgumentException>(() =>
            _ml.Generation.Trainers.Transfusion(WaveVectors.Options with { Autoencoder = autoencoders.Kl }).Fit(_ml.Data.LoadFromEnumerable(WaveVectors.Rows(10, seed: 1)))).Message, StringComparison.Ordinal);
    }
}
