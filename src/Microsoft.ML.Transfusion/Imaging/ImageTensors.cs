// MLImage ↔ float tensors [3, H, W] in [−1, 1], red-green-blue, on the CPU. ML.NET keeps four bytes a pixel in two orders, with the colours
// already multiplied by alpha (its decoder does that, and it reads the bytes of CreateFromPixels the same way), so putting a picture on
// white is c + (255 − a). That is linear: it is done after the resampling, which therefore never lets a hidden colour bleed out.
using System.Numerics;
using System.Runtime.InteropServices;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Imaging;

internal static class ImageTensors
{
    private const int Channels = 3;

    /// <summary>
    /// Pixels [3, height, width] in [−1, 1] of a picture of any size: its short side is fitted, its centre is kept, what is transparent
    /// becomes white. A picture that has the size already keeps its exact values.
    /// </summary>
    public static Tensor ToTensor(MLImage image, int height, int width)
    {
        ArgumentNullException.ThrowIfNull(image);
        using var scope = NewDisposeScope();
        Vector4[] pixels = Resampling.FitAndCrop(image.Pixels, image.Height, image.Width, height, width);
        Tensor tensor = empty(Channels, height, width, dtype: ScalarType.Float32, device: CPU);
        Span<float> values = MemoryMarshal.Cast<byte, float>(tensor.bytes);
        Span<float> red = values[..pixels.Length], green = values.Slice(pixels.Length, pixels.Length), blue = values[(2 * pixels.Length)..];
        if (image.PixelFormat == MLPixelFormat.Bgra32)
        {
            Span<float> first = red;
            red = blue;
            blue = first;
        }
        for (int i = 0; i < pixels.Length; i++)
        {
            Vector4 onWhite = pixels[i] + new Vector4(255 - pixels[i].W);
            Vector4 value = Vector4.Clamp(onWhite, Vector4.Zero, new Vector4(255)) / 127.5f - Vector4.One;
            red[i] = value.X;
            green[i] = value.Y;
            blue[i] = value.Z;
        }
        return tensor.MoveToOuterDisposeScope();
    }

    /// <summary>An opaque picture of pixels [3, H, W] in [−1, 1], rounded to the nearest of 256 levels; values outside are clamped.</summary>
    public static MLImage ToImage(Tensor pixels)
    {
        using var scope = NewDisposeScope();
        Tensor tensor = pixels.detach().to(ScalarType.Float32, CPU).contiguous();
        (int height, int width) = ((int)tensor.shape[1], (int)tensor.shape[2]);
        ReadOnlySpan<float> values = MemoryMarshal.Cast<byte, float>(tensor.bytes);
        int plane = height * width;
        byte[] levels = new byte[4 * plane];
        for (int i = 0; i < plane; i++)
        {
            levels[4 * i] = LevelOf(values[i]);
            levels[4 * i + 1] = LevelOf(values[plane + i]);
            levels[4 * i + 2] = LevelOf(values[2 * plane + i]);
            levels[4 * i + 3] = 255;
        }
        return MLImage.CreateFromPixels(width, height, MLPixelFormat.Rgba32, levels);
    }

    /// <summary>A picture of one's own: ML.NET's loaders dispose the ones they hand out when the cursor moves or ends.</summary>
    public static MLImage Copy(MLImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        MLImage copy = MLImage.CreateFromPixels(image.Width, image.Height, image.PixelFormat, image.Pixels);
        copy.Tag = image.Tag;
        return copy;
    }

    /// <summary>The value that <see cref="ToTensor"/> gives a level.</summary>
    public static float ValueOf(byte level) => level / 127.5f - 1;

    /// <summary>The nearest of 256 levels.</summary>
    public static byte LevelOf(float value) => (byte)Math.Clamp(MathF.Round((value + 1) * 127.5f), 0, 255);
}
