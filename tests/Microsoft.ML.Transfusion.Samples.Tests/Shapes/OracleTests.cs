// The judge of drawings is judged first: it must read every real picture, forgive noise, and never take one thing for another.
using Shapes.Data;
using SkiaSharp;

namespace Microsoft.ML.Transfusion.Samples.Tests.Shapes;

public class OracleTests
{
    [Fact]
    public void Read_agrees_with_the_renderer_on_2000_pictures()
    {
        Random random = new(1);
        int right = Enumerable.Range(0, 2000).Count(draw =>
        {
            Scene scene = SceneSampler.Next(random, heldOut: draw % 2 == 0);
            return Oracle.Read(Renderer.Render(scene)) == scene.Composition;
        });
        Assert.True(right >= 1990, $"{right} of 2000");
    }

    [Fact]
    public void Read_names_every_object_rightly_at_every_place()
    {
        foreach (ColoredShape shape in EveryComposition.Objects())
        {
            foreach ((int x, int y) in ((int, int)[])[(6, 6), (16, 16), (26, 6), (7, 25), (26, 26)])
                Assert.Equal(Composition.Of(shape), Oracle.Read(Renderer.Render(Show(new PlacedShape(shape, x, y)))));
        }
    }

    [Theory]
    [InlineData(20, 0.3, 0.95)]
    [InlineData(40, 0.0, 0.95)]
    [InlineData(60, 0.5, 0.0)]
    public void Read_forgives_noise_and_ragged_edges_and_would_rather_be_silent_than_wrong(double noise, double raggedness, double leastRight)
    {
        Random random = new(1);
        int right = 0;
        for (int draw = 0; draw < 300; draw++)
        {
            Scene scene = SceneSampler.Next(random, heldOut: false);
            Composition? read = Oracle.Read(Spoil(Renderer.Render(scene), noise, raggedness, random));
            right += read == scene.Composition ? 1 : 0;
            Assert.True(read is null || read == scene.Composition, $"{Caption.Write(scene.Composition)} was read as {read}");
        }
        Assert.True(right >= leastRight * 300, $"{right} of 300");
    }

    [Theory]
    [InlineData(1f)]
    [InlineData(1.5f)]
    [InlineData(2.5f)]
    public void Read_takes_a_blurred_shape_for_itself_or_for_nothing(float blur)
    {
        foreach (ColoredShape shape in EveryComposition.Objects().Where(shape => shape.Color is ShapeColor.Red or ShapeColor.Cyan))
        {
            Composition? read = Oracle.Read(Blur(Show(new PlacedShape(shape, 16, 16)), blur));
            Assert.True(read is null || read == Composition.Of(shape), $"{shape} was read as {read}");
        }
    }

    [Fact]
    public void Read_is_silent_between_a_square_and_a_circle()
    {
        List<ShapeKind?> seen = [];
        for (float corner = 0; corner <= 6; corner += 0.25f)
        {
            Composition? read = Oracle.Read(Paint((canvas, red) => canvas.DrawRoundRect(10, 10, 12, 12, corner, corner, red)));
            if (seen.Count == 0 || seen[^1] != read?.First.Kind)
                seen.Add(read?.First.Kind);
        }
        Assert.Equal([ShapeKind.Square, null, ShapeKind.Circle], seen);
    }

    [Fact]
    public void Read_accepts_nothing_between_two_shapes_or_sizes()
    {
        Assert.Null(Oracle.Read(Paint((canvas, red) => canvas.DrawOval(16, 16, 6, 3.5f, red))));
        Assert.Null(Oracle.Read(Paint((canvas, red) => canvas.DrawRect(8, 12, 16, 8, red))));
        Assert.Null(Oracle.Read(Paint((canvas, red) => canvas.DrawCircle(16, 16, 5, red))));                    // neither small nor large
    }

    [Fact]
    public void Read_gives_null_when_the_number_of_objects_is_wrong()
    {
        ColoredShape circle = new(ShapeSize.Small, ShapeColor.Red, ShapeKind.Circle);
        Assert.Null(Oracle.Read(Renderer.Render(Show())));
        Assert.Null(Oracle.Read(Renderer.Render(Show(new(circle, 7, 7), new(circle, 7, 25), new(circle, 25, 25)))));
    }

    [Fact]
    public void Read_gives_null_when_the_relation_is_slanted()
    {
        ColoredShape circle = new(ShapeSize.Small, ShapeColor.Red, ShapeKind.Circle);
        Assert.Null(Oracle.Read(Renderer.Render(Show(new(circle, 7, 7), new(circle, 25, 25)))));
    }

    [Fact]
    public void Read_gives_null_when_an_object_has_two_colours_or_a_strange_one()
    {
        Assert.Null(Oracle.Read(Paint((canvas, paint) =>
        {
            canvas.DrawRect(10, 10, 12, 6, paint);
            paint.Color = SKColors.Magenta;
            canvas.DrawRect(10, 16, 12, 6, paint);
        })));
        Assert.Null(Oracle.Read(Paint((canvas, paint) =>
        {
            paint.Color = SKColors.Gray;
            canvas.DrawRect(10, 10, 12, 12, paint);
        })));
    }

    private static Scene Show(params PlacedShape[] objects) => new(default, objects);

    private static byte[] Blur(Scene scene, float radius)
    {
        using SKBitmap sharp = Renderer.Draw(scene);
        return Paint((canvas, paint) =>
        {
            paint.ImageFilter = SKImageFilter.CreateBlur(radius, radius, SKShaderTileMode.Clamp);
            canvas.DrawBitmap(sharp, 0, 0, paint);
        });
    }

    private static byte[] Paint(Action<SKCanvas, SKPaint> draw)
    {
        using SKBitmap bitmap = Renderer.Draw(Show());
        using (SKCanvas canvas = new(bitmap))
        using (SKPaint paint = new() { Color = new SKColor(230, 20, 20), IsAntialias = true })
            draw(canvas, paint);
        return [.. bitmap.Pixels.SelectMany(pixel => (byte[])[pixel.Red, pixel.Green, pixel.Blue])];
    }

    /// <summary>Adds Gaussian noise, and lets a share of the pixels take a neighbour's colour.</summary>
    private static byte[] Spoil(byte[] rgb, double noise, double raggedness, Random random)
    {
        byte[] spoilt = new byte[rgb.Length];
        int[] neighbours = [-1, 1, -Renderer.Side, Renderer.Side];
        for (int pixel = 0; pixel < rgb.Length / 3; pixel++)
        {
            int source = random.NextDouble() < raggedness ? Math.Clamp(pixel + neighbours[random.Next(4)], 0, rgb.Length / 3 - 1) : pixel;
            for (int channel = 0; channel < 3; channel++)
            {
                double gaussian = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
                spoilt[pixel * 3 + channel] = (byte)Math.Clamp(rgb[source * 3 + channel] + noise * gaussian, 0, 255);
            }
        }
        return spoilt;
    }
}
