using System.Text.Json;
using Microsoft.ML.Data;
using Samples.Common;
using Shapes.Data;
using SkiaSharp;

namespace Microsoft.ML.Transfusion.Samples.Tests.Common;

public sealed class ResultFilesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("samples").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(1, 8)]
    [InlineData(5, 3)]
    public void PictureGrid_enlarges_every_picture_above_its_caption(int count, int columns)
    {
        string path = Path.Combine(_folder, "drawn.png");
        Random random = new(1);
        Scene[] scenes = [.. Enumerable.Range(0, count).Select(_ => SceneSampler.Next(random, heldOut: false))];
        PictureGrid.Save(path, [.. scenes.Select(scene => new CaptionedPicture(Pictures.Draw(scene), Caption.Write(scene.Composition)))], columns);

        using SKBitmap sheet = SKBitmap.Decode(path);
        int shown = Math.Min(count, columns);
        int pitch = (sheet.Width - 12) / shown;
        for (int number = 0; number < shown; number++)
        {
            byte[] rgb = [.. from y in Enumerable.Range(0, Renderer.Side) from x in Enumerable.Range(0, Renderer.Side)
                             let pixel = sheet.GetPixel(12 + number * pitch + x * 5 + 2, 12 + y * 5 + 2)
                             from value in (byte[])[pixel.Red, pixel.Green, pixel.Blue] select value];
            Assert.Equal(Renderer.Render(scenes[number]), rgb);
        }
    }

    [Fact]
    public void LossCurves_draws_both_losses_and_skips_what_was_not_trained()
    {
        string path = Path.Combine(_folder, "curves.png");
        LossCurves.Save(path, Enumerable.Range(1, 50).Select(step => TrainingDisplayTests.Progress(step, language: 3.0 / step, diffusion: step < 10 ? double.NaN : 1.0 / step)));
        using SKBitmap sheet = SKBitmap.Decode(path);
        Assert.Contains(new SKColor(0xFF4682B4), sheet.Pixels);                                 // SteelBlue
        Assert.Contains(new SKColor(0xFFB22222), sheet.Pixels);                                 // Firebrick
    }

    [Fact]
    public void Report_has_the_promised_keys()
    {
        string path = Path.Combine(_folder, "report.json");
        new Report { CaptionsCorrect = 0.5, CaptionsEvaluated = 10, Seed = 1, Steps = 2, TokensPerSecond = 3, TrainSeconds = 4 }.Save(path);
        JsonElement report = JsonDocument.Parse(File.ReadAllText(path)).RootElement;
        string[] keys = ["captionsCorrect", "drawnCorrectly", "captionsEvaluated", "drawingsEvaluated", "seed", "tokensPerSecond", "trainSeconds", "wallSeconds", "peakMemoryBytes"];
        Assert.Empty(keys.Except(report.EnumerateObject().Select(property => property.Name)));
        Assert.InRange(report.GetProperty("wallSeconds").GetDouble(), 0.01, 3600);
        Assert.InRange(report.GetProperty("peakMemoryBytes").GetInt64(), 10_000_000, 100_000_000_000);
    }

    [Fact]
    public void Pictures_survive_the_way_through_an_image()
    {
        Scene scene = SceneSampler.Next(new Random(1), heldOut: false);
        using MLImage image = Pictures.Draw(scene);
        Assert.Equal(Renderer.Render(scene), Pictures.ToRgb(image));
        using MLImage swapped = MLImage.CreateFromPixels(1, 1, MLPixelFormat.Bgra32, [10, 20, 30, 255]);
        Assert.Equal([30, 20, 10], Pictures.ToRgb(swapped));
    }
}
