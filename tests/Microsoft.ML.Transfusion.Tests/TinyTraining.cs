// Captioned pictures of 8×8 pixels and a network that trains on them in a second: for tests of everything around the network.
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.Transfusion.Tests;

public class PictureRow
{
    public string? Caption { get; set; }

    [ImageType(8, 8)]
    public MLImage? Image { get; set; }

    public int Number { get; set; }
}

public class GeneratedRow
{
    public string? GeneratedText { get; set; }

    [ImageType(8, 8)]
    public MLImage? GeneratedImage { get; set; }

    [VectorType(3)]
    public float[]? Score { get; set; }

    public int Number { get; set; }
}

internal static class TinyTraining
{
    private static readonly Lazy<TransfusionTransformer> LazyTransformer = new(() => new MLContext(1).Generation.Trainers.Transfusion(Options).Fit(View(new MLContext(1), Rows())));

    /// <summary>Trained once for all tests; do not dispose.</summary>
    public static TransfusionTransformer Transformer => LazyTransformer.Value;

    public static TransfusionTrainer.Options Options => new()
    {
        Transformer = new TransformerConfig { HiddenSize = 32, NumberOfLayers = 1, NumberOfHeads = 2, MaxSequenceLength = 64 },
        Image = new ImageCodecConfig { ImageHeight = 8, ImageWidth = 8, PatchSize = 4 },
        Tokenizer = TokenizerConfig.TrainOnText(256),
        Optimizer = new OptimizerConfig { BatchSize = 4, WarmupSteps = 1 },
        Generation = GenerationOptions.Fast with { NumberOfInferenceSteps = 2, MaxNewTokens = 4 },
        NumberOfSteps = 3,
        ScoringBatchSize = 4,
        Precision = TrainingPrecision.Float32,
    };

    public static List<PictureRow> Rows(int count = 10) =>
        [.. Enumerable.Range(0, count).Select(i => new PictureRow { Caption = $"no {i}", Image = Picture(i), Number = i })];

    public static IDataView View(MLContext ml, IEnumerable<PictureRow> rows) => ml.Data.LoadFromEnumerable(rows);

    public static MLImage Picture(int number, int width = 8, int height = 8)
    {
        byte[] pixels = [.. Enumerable.Range(0, width * height * 4).Select(i => i % 4 == 3 ? (byte)255 : (byte)(i * (number + 1)))];
        return MLImage.CreateFromPixels(width, height, MLPixelFormat.Rgba32, pixels);
    }

    public static List<GeneratedRow> Read(MLContext ml, IDataView view) => [.. ml.Data.CreateEnumerable<GeneratedRow>(view, reuseRowObject: false)];
}
