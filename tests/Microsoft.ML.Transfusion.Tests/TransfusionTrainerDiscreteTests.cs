using Microsoft.ML.Data;

namespace Microsoft.ML.Transfusion.Tests;

/// <summary>The Chameleon recipe through the same trainer, transforms and files: one option switches.</summary>
public sealed class TransfusionTrainerDiscreteTests(TinyAutoencoders autoencoders) : IClassFixture<TinyAutoencoders>
{
    private readonly MLContext _ml = new(1);

    private TransfusionTrainer.Options Options => TinyTraining.Options with { ImageObjective = ImageObjective.DiscreteTokens, Autoencoder = autoencoders.Vq };

    private IDataView Rows => TinyTraining.View(_ml, TinyTraining.Rows());

    [Fact]
    public void A_model_of_codes_captions_draws_scores_and_does_the_same_after_loading_bit_for_bit()
    {
        using TransfusionTransformer trained = _ml.Generation.Trainers.Transfusion(Options).Fit(Rows);
        using var file = new MemoryStream();
        _ml.Model.Save(trained, Rows.Schema, file);
        using var loaded = (TransfusionTransformer)_ml.Model.Load(file, out _);

        List<GeneratedRow> before = TinyTraining.Read(_ml, trained.Transform(Rows)), after = TinyTraining.Read(_ml, loaded.Transform(Rows));

        Assert.Equal((16, 1), (loaded.Model.Config.Latents!.NumberOfCodes, loaded.Model.Config.Image.PatchSize));
        Assert.Equal(16, loaded.Model.Config.Grid.PatchCount);                       // 4×4 places of 2×2 pixels
        Assert.Equal(before.Select(row => row.GeneratedText), after.Select(row => row.GeneratedText));
        Assert.Equal(before.Select(row => row.GeneratedImage!.Pixels.ToArray()), after.Select(row => row.GeneratedImage!.Pixels.ToArray()));
        Assert.Equal(before.Select(row => row.Score), after.Select(row => row.Score));
        Assert.All(before, row => Assert.All(row.Score!, value => Assert.True(float.IsFinite(value))));
        using MLImage alone = loaded.Model.GenerateImage("no 3", Options.Generation);
        Assert.Equal(after[3].GeneratedImage!.Pixels.ToArray(), alone.Pixels.ToArray());
    }

    [Fact]
    public void It_learns_to_recite_its_captions_and_to_draw_what_it_has_seen()
    {
        List<PictureRow> rows = TinyTraining.Rows(4);
        TransfusionTrainer.Options options = Options with
        {
            Transformer = TransformerConfig.Tiny with { HiddenSize = 64, NumberOfLayers = 2, MaxSequenceLength = 64 },
            Diffusion = new DiffusionConfig { ImageFirstShare = 0.5, ConditionDropout = 0 },
            Optimizer = OptimizerConfig.Minutes with { BatchSize = 8, EmaDecay = 0.9, WarmupSteps = 10 },
            NumberOfSteps = 200,
            Seed = 1,
        };
        using TransfusionTransformer trained = _ml.Generation.Trainers.Transfusion(options).Fit(TinyTraining.View(_ml, rows));
        var vq = (VqAutoencoder)autoencoders.Vq;
        GenerationOptions drawing = GenerationOptions.Fast with { GuidanceScale = 1, TopK = 1, MaxNewTokens = 8 };

        Assert.All(rows, row => Assert.Equal(row.Caption, trained.Model.Caption(row.Image!, drawing)));
        Assert.All(rows, row =>
        {
            using MLImage drawn = trained.Model.GenerateImage(row.Caption!, drawing), seen = vq.DecodeIndices(vq.EncodeIndices(row.Image!), 8, 8);
            Assert.Equal(seen.Pixels.ToArray(), drawn.Pixels.ToArray());
            Assert.Equal(row.Caption, trained.Model.Rank(row.Image!, [.. rows.Select(other => other.Caption!)]).MaxBy(ranked => ranked.LogLikelihood)!.Caption);
        });
    }

    [Fact]
    public void Inpainting_works_and_redrawing_from_noise_and_exporting_are_refused()
    {
        using TransfusionTransformer trained = _ml.Generation.Trainers.Transfusion(Options).Fit(Rows);
        using MLImage source = TinyTraining.Picture(5);
        byte[] mask = [.. Enumerable.Range(0, 64).SelectMany(at => Enumerable.Repeat((byte)(at == 27 ? 255 : 0), 3).Append((byte)255))];
        using MLImage marked = MLImage.CreateFromPixels(8, 8, MLPixelFormat.Rgba32, mask), painted = trained.Model.InpaintImage(source, marked, "no 5", Options.Generation);

        Assert.All(Enumerable.Range(0, 64).Where(at => at != 27), at => Assert.True(source.Pixels.Slice(at * 4, 4).SequenceEqual(painted.Pixels.Slice(at * 4, 4))));
        Assert.Contains(nameof(TransfusionModel.InpaintImage), Assert.Throws<InvalidOperationException>(() => trained.Model.RedrawImage(source, "no 5")).Message, StringComparison.Ordinal);
        using var folder = new TemporaryFolder();
        Assert.Throws<InvalidOperationException>(() => trained.Model.ExportLlama(Path.Combine(folder.Path, "llama")));
    }

    [Fact]
    public void Codes_need_a_quantized_autoencoder()
    {
        foreach (ImageAutoencoder? other in (ImageAutoencoder?[])[null, autoencoders.Kl])
            Assert.Contains("VqAutoencoder", Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Generation.Trainers.Transfusion(Options with { Autoencoder = other })).Message, StringComparison.Ordinal);
        Assert.Contains("InitializeFrom", Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Generation.Trainers.Transfusion(Options with { InitializeFrom = "somewhere" })).Message, StringComparison.Ordinal);
    }
}
