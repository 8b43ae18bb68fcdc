// A trained model, as applications have one: a few steps on a few captioned pictures of noise. How well it draws does not matter to a clock.
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using Microsoft.ML.Transfusion.Torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal static class BriefModel
{
    public const int Side = 32;
    public const int Rows = 64;

    public static TransfusionTransformer Train(MLContext ml, TransformerConfig transformer, ImageCodecConfig? image = null)
    {
        NativeTorch.Require();
        return ml.Generation.Trainers.Transfusion(new TransfusionTrainer.Options { Transformer = transformer, Image = image ?? new(), NumberOfSteps = 4, Seed = 1 })
            .Fit(ml.Data.LoadFromEnumerable(Enumerable.Range(0, Rows).Select(Row)));
    }

    /// <summary>Captions of a small world, all different.</summary>
    public static string Caption(int number) => $"a picture of {number} things";

    public static MLImage Picture(int number)
    {
        byte[] pixels = new byte[Side * Side * 4];
        new Random(number).NextBytes(pixels);
        return MLImage.CreateFromPixels(Side, Side, MLPixelFormat.Rgba32, pixels);
    }

    public static CaptionedPicture Row(int number) => new() { Caption = Caption(number), Image = Picture(number) };
}

/// <summary>A row of text and picture.</summary>
public sealed class CaptionedPicture
{
    public string Caption { get; set; } = "";

    [ImageType(32, 32)]
    public MLImage? Image { get; set; }
}
