// Scenes and ML.NET's images.
using Microsoft.ML.Data;

namespace Shapes.Data;

internal static class Pictures
{
    /// <summary>The scene as an image that ML.NET takes in a column.</summary>
    public static MLImage Draw(Scene scene)
    {
        byte[] rgb = Renderer.Render(scene);
        byte[] rgba = new byte[rgb.Length / 3 * 4];
        for (int pixel = 0; pixel < rgb.Length / 3; pixel++)
        {
            rgb.AsSpan(pixel * 3, 3).CopyTo(rgba.AsSpan(pixel * 4));
            rgba[pixel * 4 + 3] = byte.MaxValue;
        }
        return MLImage.CreateFromPixels(Renderer.Side, Renderer.Side, MLPixelFormat.Rgba32, rgba);
    }

    /// <summary>An image's pixels for the oracle, row by row: red, green, blue.</summary>
    public static byte[] ToRgb(MLImage image)
    {
        ReadOnlySpan<byte> source = image.Pixels;
        (int red, int blue) = image.PixelFormat == MLPixelFormat.Rgba32 ? (0, 2) : (2, 0);
        byte[] rgb = new byte[source.Length / 4 * 3];
        for (int pixel = 0; pixel < source.Length / 4; pixel++)
        {
            rgb[pixel * 3] = source[pixel * 4 + red];
            rgb[pixel * 3 + 1] = source[pixel * 4 + 1];
            rgb[pixel * 3 + 2] = source[pixel * 4 + blue];
        }
        return rgb;
    }
}
