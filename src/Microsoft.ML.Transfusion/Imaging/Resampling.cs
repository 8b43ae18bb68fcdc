// Separable resampling with the Catmull-Rom cubic (Keys 1981, a = −1/2). When a picture shrinks the kernel is stretched over the source
// pixels that fall together, so that each of them counts and fine patterns become their mean instead of aliases; when it grows the cubic
// joins the pixels smoothly. SkiaSharp 2.88 shrinks by way of power-of-two mipmaps, which leaves a ripple of ±12 levels in stripes five
// pixels apart that here become one grey. At scale 1 the kernel is the identity, exactly.
using System.Numerics;

namespace Microsoft.ML.Transfusion.Imaging;

internal static class Resampling
{
    private const double Support = 2;

    /// <summary>The source pixels that one target pixel is a weighted mean of.</summary>
    private readonly record struct Taps(int First, float[] Weights)
    {
        public int End => First + Weights.Length;
    }

    /// <summary>
    /// Scales bytes [sourceHeight, sourceWidth, 4] until the short side fits, and keeps the centre: pixels [height, width] in [0, 255], with
    /// the small overshoot of a cubic. The margin cut off at the top and left is a whole number of target pixels, so that a picture that
    /// needs no scaling is cut without being blurred.
    /// </summary>
    public static Vector4[] FitAndCrop(ReadOnlySpan<byte> source, int sourceHeight, int sourceWidth, int height, int width)
    {
        double scale = Math.Max((double)height / sourceHeight, (double)width / sourceWidth);
        Taps[] rows = MakeTaps(sourceHeight, height, scale), columns = MakeTaps(sourceWidth, width, scale);
        int top = rows.Min(taps => taps.First), bottom = rows.Max(taps => taps.End);
        var narrowed = new Vector4[(bottom - top) * width];
        var line = new Vector4[sourceWidth];
        for (int y = top; y < bottom; y++)
        {
            ReadOnlySpan<byte> bytes = source.Slice(4 * sourceWidth * y, 4 * sourceWidth);
            for (int x = 0; x < line.Length; x++)
                line[x] = new Vector4(bytes[4 * x], bytes[4 * x + 1], bytes[4 * x + 2], bytes[4 * x + 3]);
            for (int x = 0; x < width; x++)
                narrowed[(y - top) * width + x] = WeightedSum(line.AsSpan(columns[x].First), 1, columns[x].Weights);
        }
        var result = new Vector4[height * width];
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                result[y * width + x] = WeightedSum(narrowed.AsSpan((rows[y].First - top) * width + x), width, rows[y].Weights);
        return result;
    }

    private static Vector4 WeightedSum(ReadOnlySpan<Vector4> pixels, int stride, float[] weights)
    {
        Vector4 sum = Vector4.Zero;
        for (int i = 0; i < weights.Length; i++)
            sum += weights[i] * pixels[i * stride];
        return sum;
    }

    private static Taps[] MakeTaps(int source, int target, double scale)
    {
        double stretch = Math.Max(1, 1 / scale);
        int margin = ((int)Math.Round(source * scale) - target) / 2;
        var taps = new Taps[target];
        for (int i = 0; i < target; i++)
        {
            double centre = (margin + i + 0.5) / scale - 0.5;          // in source pixels, whose centres are whole numbers
            int first = Math.Max(0, (int)Math.Ceiling(centre - Support * stretch));
            int last = Math.Min(source - 1, (int)Math.Floor(centre + Support * stretch));
            while (Cubic((first - centre) / stretch) == 0)
                first++;
            while (Cubic((last - centre) / stretch) == 0)
                last--;
            var weights = new double[last - first + 1];
            for (int k = 0; k < weights.Length; k++)
                weights[k] = Cubic((first + k - centre) / stretch);
            double sum = weights.Sum();
            taps[i] = new Taps(first, Array.ConvertAll(weights, weight => (float)(weight / sum)));
        }
        return taps;
    }

    /// <summary>W(x) = 1.5|x|³ − 2.5|x|² + 1 up to 1, −0.5|x|³ + 2.5|x|² − 4|x| + 2 up to 2.</summary>
    private static double Cubic(double x)
    {
        x = Math.Abs(x);
        return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
    }
}
