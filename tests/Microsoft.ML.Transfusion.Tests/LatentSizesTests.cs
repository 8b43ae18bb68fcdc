// Larger and oblong pictures from end to end: an autoencoder, a model on its latents, both ways, saving and loading, and how much memory it took.
using System.Diagnostics;
using Microsoft.ML.Data;
using Xunit.Abstractions;

namespace Microsoft.ML.Transfusion.Tests;

public sealed class LatentSizesTests(ITestOutputHelper output)
{
    private const string Words = "dark light";

    [Theory]
    [Trait("Category", "Slow")]
    [InlineData(64, 64, 3, PatchEncoding.Linear)]
    [InlineData(96, 64, 3, PatchEncoding.UNet)]
    [InlineData(256, 256, 4, PatchEncoding.UNet)]
    public void Pictures_of_this_size_pass_from_end_to_end(int width, int height, int levels, PatchEncoding encoding)
    {
        MLContext ml = new(1);
        IDataView rows = ml.Data.LoadFromEnumerable(Enumerable.Range(0, 12).Select(number => new SizedRow
        {
            Caption = Words.Split(' ')[number % 2],
            Image = Picture(number, width, height),
        }), SchemaDefinition.Create(typeof(SizedRow)));
        using ImageAutoencoderTransformer autoencoder = ml.Generation.Trainers.ImageAutoencoder(new ImageAutoencoderTrainer.Options
        {
            ImageHeight = height,
            ImageWidth = width,
            Autoencoder = new AutoencoderConfig { BlockChannels = [.. Enumerable.Repeat(8, levels)], NumberOfGroups = 4, LatentChannels = 4, MiddleAttention = true },
            NumberOfSteps = 3,
            BatchSize = 2,
        }).Fit(rows);
        int places = 1 << (levels - 1), patch = levels == 4 ? 8 : 4;                // at 256×256 16 patches of 8×8 places, as in the paper
        using TransfusionTransformer trained = ml.Generation.Trainers.Transfusion(new TransfusionTrainer.Options
        {
            Autoencoder = autoencoder.Autoencoder,
            Image = new ImageCodecConfig { ImageHeight = height, ImageWidth = width, PatchSize = patch, PatchEncoding = encoding, UNetChannels = 8 },
            Transformer = new TransformerConfig { HiddenSize = 32, NumberOfLayers = 2, NumberOfHeads = 2, MaxSequenceLength = 256 },
            Tokenizer = TokenizerConfig.TrainOnText(256),
            Optimizer = new OptimizerConfig { BatchSize = 4, WarmupSteps = 1 },
            Generation = GenerationOptions.Fast with { NumberOfInferenceSteps = 3, MaxNewTokens = 4 },
            NumberOfSteps = 4,
        }).Fit(rows);
        using var folder = new TemporaryFolder();
        ml.Generation.SaveModel(trained, rows.Schema, folder.File("model.zip"));
        using var loaded = (TransfusionTransformer)ml.Model.Load(folder.File("model.zip"), out _);

        IDataView before = trained.Transform(ml.Data.TakeRows(rows, 2)), after = loaded.Transform(ml.Data.TakeRows(rows, 2));

        MLImage[] drawn = [.. before.GetColumn<MLImage>("GeneratedImage")];
        Assert.All(drawn, image => Assert.Equal((width, height), (image.Width, image.Height)));
        Assert.Equal(drawn.Select(image => image.Pixels.ToArray()), after.GetColumn<MLImage>("GeneratedImage").Select(image => image.Pixels.ToArray()));
        Assert.Equal(before.GetColumn<string>("GeneratedText"), after.GetColumn<string>("GeneratedText"));
        Assert.All(after.GetColumn<float[]>("Score"), score => Assert.All(score, value => Assert.True(float.IsFinite(value))));
        Assert.Equal((height / places, width / places), (loaded.Model.Config.Grid.Height, loaded.Model.Config.Grid.Width));
        output.WriteLine($"{width}×{height}: {loaded.Model.Config.Grid.PatchCount} patches, peak memory {Process.GetCurrentProcess().PeakWorkingSet64 >> 20} MiB so far");
    }

    private static MLImage Picture(int number, int width, int height) => MLImage.CreateFromPixels(width, height, MLPixelFormat.Rgba32,
        [.. Enumerable.Range(0, width * height * 4).Select(at => at % 4 == 3 ? (byte)255 : (byte)(number % 2 * 128 + (at / 4 % width + number * 7) % 100))]);

    private sealed class SizedRow
    {
        public string? Caption { get; set; }

        [Microsoft.ML.Transforms.Image.ImageType(1, 1)]
        public MLImage? Image { get; set; }
    }
}
