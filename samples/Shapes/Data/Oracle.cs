// Reads a picture back from its pixels alone: how many objects, each one's colour, kind and size, and how two lie to each other. It forgives what a
// neural drawing gets slightly wrong (noise, specks, ragged edges, colours a little off), and answers "nothing of this world" to the rest.
namespace Shapes.Data;

internal static class Oracle
{
    private const double BackgroundTolerance = 110;                // about 0.4 of a pixel covered by the palest colour
    private const double ColorTolerance = 100;                     // half the distance between the nearest two colours
    private const double ColorPurity = 0.8;                        // share of an object's inner pixels that have its colour
    private const double LeastOverlap = 0.7;                       // with the best template
    private const double LeastMargin = 0.03;                       // over the best template of any other kind or size
    private const double CoverageNoise = 0.15;                     // this far from none or all, a pixel's coverage counts as none or all
    private const int SpeckSize = 6;                               // pixels; a small cross has 36
    private const double Slant = 1.2;                              // a relation's axis must dominate the other by this factor

    /// <summary>What the picture shows, or null where it shows no composition of the grammar.</summary>
    /// <param name="rgb">32×32 pixels, row by row: red, green, blue.</param>
    public static Composition? Read(ReadOnlySpan<byte> rgb)
    {
        Rgb[] pixels = new Rgb[rgb.Length / 3];
        for (int pixel = 0; pixel < pixels.Length; pixel++)
            pixels[pixel] = new Rgb(rgb[pixel * 3], rgb[pixel * 3 + 1], rgb[pixel * 3 + 2]);
        int[][] blobs = [.. Blobs.Find(pixels, Renderer.Side, BackgroundTolerance).Where(blob => blob.Length > SpeckSize)];
        if (blobs.Length is not (1 or 2))
            return null;
        Sighting?[] seen = [.. blobs.Select(blob => Identify(pixels, blob))];
        return seen switch
        {
            [{ } only] => Composition.Of(only.Shape),
            [{ } first, { } second] => Relate(first, second) is { } relation ? Composition.Of(first.Shape, relation, second.Shape) : null,
            _ => null,
        };
    }

    private static Sighting? Identify(Rgb[] pixels, int[] blob)
    {
        int[] core = Blobs.Core(blob, Renderer.Side);
        if (core.Length == 0)
            return null;
        ShapeColor color = Palette.Nearest(Mean(pixels, core));
        Rgb paint = Palette.Of(color);
        if (core.Count(pixel => pixels[pixel].DistanceTo(paint) <= ColorTolerance) < ColorPurity * core.Length)
            return null;

        int middleX = (int)Math.Round(blob.Average(pixel => pixel % Renderer.Side + 0.5));
        int middleY = (int)Math.Round(blob.Average(pixel => pixel / Renderer.Side + 0.5));
        (ShapeTemplate best, double overlap, double runnerUp) = ShapeTemplates.Match(Window(pixels, blob, paint, middleX, middleY));
        if (best.Size is not { } size || overlap < LeastOverlap || overlap - runnerUp < LeastMargin)
            return null;
        return new Sighting(new ColoredShape(size, color, best.Kind), middleX + best.X, middleY + best.Y);
    }

    private static float[] Window(Rgb[] pixels, int[] blob, Rgb paint, int middleX, int middleY)
    {
        const int Side = ShapeTemplates.WindowSide;
        float[] coverage = new float[Side * Side];
        foreach (int pixel in Blobs.WithRim(blob, Renderer.Side))
        {
            int x = pixel % Renderer.Side - middleX + Side / 2;
            int y = pixel / Renderer.Side - middleY + Side / 2;
            if (x is >= 0 and < Side && y is >= 0 and < Side)
                coverage[y * Side + x] = Steady(pixels[pixel].CoverageBetween(Palette.Background, paint));
        }
        return coverage;
    }

    private static float Steady(double coverage) => (float)Math.Clamp((coverage - CoverageNoise) / (1 - 2 * CoverageNoise), 0, 1);

    private static Relation? Relate(Sighting first, Sighting second)
    {
        float x = second.X - first.X, y = second.Y - first.Y;
        if (Math.Abs(y) > Slant * Math.Abs(x))
            return y > 0 ? Relation.Above : Relation.Below;
        if (Math.Abs(x) > Slant * Math.Abs(y))
            return x > 0 ? Relation.LeftOf : Relation.RightOf;
        return null;
    }

    private static Rgb Mean(Rgb[] pixels, int[] members) => new(
        (byte)members.Average(pixel => pixels[pixel].Red),
        (byte)members.Average(pixel => pixels[pixel].Green),
        (byte)members.Average(pixel => pixels[pixel].Blue));

    private sealed record Sighting(ColoredShape Shape, float X, float Y);
}
