// A colour as the oracle measures it: red, green and blue in 0..255.
namespace Shapes.Data;

internal readonly record struct Rgb(byte Red, byte Green, byte Blue)
{
    public double DistanceTo(Rgb other) => Math.Sqrt(Dot(this, other, this, other));

    /// <summary>How far this colour has gone from <paramref name="background"/> to <paramref name="color"/>, in [0, 1]: the share of a pixel that an object covers.</summary>
    public double CoverageBetween(Rgb background, Rgb color) =>
        Math.Clamp(Dot(this, background, color, background) / Dot(color, background, color, background), 0, 1);

    /// <summary>(a − b)·(c − d)</summary>
    private static double Dot(Rgb a, Rgb b, Rgb c, Rgb d) =>
        (a.Red - b.Red) * (c.Red - d.Red) + (a.Green - b.Green) * (c.Green - d.Green) + (a.Blue - b.Blue) * (c.Blue - d.Blue);
}
