using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Imaging;
using SkiaSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Imaging;

public sealed class ImageTensorsTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(MLPixelFormat.Rgba32)]
    [InlineData(MLPixelFormat.Bgra32)]
    public void ToTensor_puts_red_green_blue_into_planes_when_the_size_is_right(MLPixelFormat format)
    {
        byte[] orange = format == MLPixelFormat.Rgba32 ? [255, 128, 0, 255] : [0, 128, 255, 255];
        using MLImage image = MLImage.CreateFromPixels(2, 1, format, [.. orange, 0, 0, 0, 255]);

        Tensor pixels = ImageTensors.ToTensor(image, 1, 2);

        Assert.Equal([3, 1, 2], pixels.shape);
        Assert.Equal([1f, -1, 128 / 127.5f - 1, -1, -1, -1], pixels.data<float>().ToArray());
    }

    [Theory]
    [InlineData(32, 32)]
    [InlineData(1, 1)]
    [InlineData(7, 13)]
    public void ToImage_gives_back_every_byte_of_ToTensor_when_the_picture_is_opaque(int height, int width)
    {
        byte[] bytes = OpaqueNoise(height, width);
        using MLImage image = MLImage.CreateFromPixels(width, height, MLPixelFormat.Rgba32, bytes);

        using MLImage back = ImageTensors.ToImage(ImageTensors.ToTensor(image, height, width));

        Assert.Equal((width, height, MLPixelFormat.Rgba32), (back.Width, back.Height, back.PixelFormat));
        Assert.Equal(bytes, back.Pixels.ToArray());
    }

    [Fact]
    public void ToImage_gives_back_each_of_the_256_levels()
    {
        byte[] bytes = [.. Enumerable.Range(0, 256).SelectMany(level => new byte[] { (byte)level, (byte)(255 - level), (byte)level, 255 })];
        using MLImage image = MLImage.CreateFromPixels(256, 1, MLPixelFormat.Rgba32, bytes);

        using MLImage back = ImageTensors.ToImage(ImageTensors.ToTensor(image, 1, 256));

        Assert.Equal(bytes, back.Pixels.ToArray());
    }

    [Fact]
    public void ToImage_rounds_to_the_nearest_level_and_clamps()
    {
        Tensor pixels = tensor(new[] { -3f, 3f, 100.4f / 127.5f - 1, 100.6f / 127.5f - 1 }).expand(3, 1, 4);

        using MLImage image = ImageTensors.ToImage(pixels);

        Assert.Equal([0, 255, 100, 101], Enumerable.Range(0, 4).Select(i => (int)image.Pixels[4 * i]));
        Assert.All(Enumerable.Range(0, 4), i => Assert.Equal(255, image.Pixels[4 * i + 3]));
    }

    [Fact]
    public void ToImage_takes_bfloat16_and_views_that_are_not_contiguous()
    {
        Tensor pixels = zeros(2, 5, 3, dtype: ScalarType.BFloat16).permute(2, 0, 1);

        using MLImage image = ImageTensors.ToImage(pixels);

        Assert.Equal((5, 2, 128), (image.Width, image.Height, (int)image.Pixels[0]));
    }

    [Fact]
    public void ToTensor_makes_mid_grey_of_a_one_pixel_checkerboard_when_it_shrinks_8_times()
    {
        using MLImage image = Draw(64, 64, (x, y) => (x + y) % 2 == 0 ? SKColors.Black : SKColors.White);

        Tensor pixels = ImageTensors.ToTensor(image, 8, 8);

        Assert.True(pixels[.., 1..7, 1..7].abs().max().ToSingle() < 0.01, "the inside is not grey");
        Assert.True(pixels.abs().max().ToSingle() < 0.06, "the border is not grey");
    }

    [Theory]
    [InlineData(3, 128)]
    [InlineData(5, 96)]
    [InlineData(7, 200)]
    public void ToTensor_makes_grey_of_fine_stripes_when_the_scale_is_not_whole(int period, int size)
    {
        using MLImage image = Draw(size, size, (x, _) => x % period == 0 ? SKColors.White : SKColors.Black);
        float mean = 2f / period - 1;

        Tensor inside = ImageTensors.ToTensor(image, 8, 8)[.., .., 2..6];

        Assert.True((inside - mean).abs().max().ToSingle() < 0.05, inside.npstr());
    }

    [Theory]
    [InlineData(64, 32)]
    [InlineData(100, 32)]
    [InlineData(7, 32)]
    public void ToTensor_keeps_a_gradient_straight_whatever_the_scale(int size, int target)
    {
        using MLImage image = Draw(size, size, (x, _) => Grey(x * 255.0 / (size - 1)));

        Tensor row = ImageTensors.ToTensor(image, target, target)[0, target / 2];

        int margin = target / 4;                                       // the edges repeat nothing, so the cubic bends there
        double slope = 2.0 / (size - 1) * size / target;
        Tensor expected = slope * (arange(target) - (target - 1) / 2.0);
        Assert.True((row - expected)[margin..^margin].abs().max().ToSingle() < 0.02, row.npstr());
    }

    [Theory]
    [InlineData(40, 40)]
    [InlineData(31, 33)]
    [InlineData(1, 1)]
    [InlineData(1, 500)]
    [InlineData(2000, 3)]
    [InlineData(640, 480)]
    public void ToTensor_keeps_a_plain_colour_whatever_the_size(int height, int width)
    {
        using MLImage image = Draw(width, height, (_, _) => new SKColor(200, 100, 50));

        Tensor pixels = ImageTensors.ToTensor(image, 32, 24);

        Assert.Equal([3, 32, 24], pixels.shape);
        Tensor colour = tensor(new[] { 200f, 100, 50 }).reshape(3, 1, 1) / 127.5f - 1;
        Assert.True((pixels - colour).abs().max().ToSingle() < 1e-5);
    }

    [Theory]
    [InlineData(96, 32)]
    [InlineData(32, 96)]
    [InlineData(192, 64)]
    public void ToTensor_keeps_the_centre_of_a_long_picture(int width, int height)
    {
        int third = Math.Max(width, height) / 3;
        using MLImage image = Draw(width, height, (x, y) => (width > height ? x : y) / third == 1 ? SKColors.Red : SKColors.Blue);

        Tensor inside = ImageTensors.ToTensor(image, 32, 32)[.., 2..30, 2..30];

        Assert.True(inside[0].min().ToSingle() > 0.99 && inside[2].max().ToSingle() < -0.99);
    }

    [Fact]
    public void ToTensor_cuts_without_blurring_when_one_side_fits()
    {
        byte[] bytes = OpaqueNoise(32, 35);
        using MLImage image = MLImage.CreateFromPixels(35, 32, MLPixelFormat.Rgba32, bytes);

        using MLImage cut = ImageTensors.ToImage(ImageTensors.ToTensor(image, 32, 32));

        for (int y = 0; y < 32; y++)
            Assert.Equal(bytes[(4 * (35 * y + 1))..(4 * (35 * y + 33))], cut.Pixels.Slice(4 * 32 * y, 4 * 32).ToArray());
    }

    [Fact]
    public void ToTensor_shows_white_through_transparent_pixels()
    {
        using MLImage image = DecodePng(3, new SKColor(255, 0, 0, 0), new SKColor(0, 0, 0, 128), new SKColor(10, 20, 30));

        using MLImage onWhite = ImageTensors.ToImage(ImageTensors.ToTensor(image, 1, 3));

        Assert.Equal([255, 255, 255, 255, 127, 127, 127, 255, 10, 20, 30, 255], onWhite.Pixels.ToArray());
    }

    [Fact]
    public void ToTensor_lets_no_hidden_colour_bleed_when_it_shrinks()
    {
        using MLImage image = DecodePng(8, [.. Enumerable.Range(0, 64).Select(i => i % 3 == 0 ? new SKColor(255, 0, 0, 0) : SKColors.White)]);

        Tensor pixels = ImageTensors.ToTensor(image, 1, 1);

        Assert.All(pixels.data<float>().ToArray(), value => Assert.Equal(1, value, 0.02f));
    }

    [Theory]
    [InlineData(SKEncodedImageFormat.Png)]
    [InlineData(SKEncodedImageFormat.Jpeg)]
    public void ToTensor_repeats_the_grey_of_a_greyscale_file_in_three_planes(SKEncodedImageFormat format)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(8, 8, SKColorType.Gray8, SKAlphaType.Opaque));
        bitmap.Erase(new SKColor(100, 100, 100));
        using var stream = new MemoryStream();
        bitmap.Encode(stream, format, 100);
        stream.Position = 0;
        using MLImage image = MLImage.CreateFromStream(stream);

        Tensor pixels = ImageTensors.ToTensor(image, 8, 8);

        Assert.True((pixels - (100 / 127.5f - 1)).abs().max().ToSingle() < 0.01);
    }

    [Fact]
    public void Copy_survives_the_disposal_of_its_source()
    {
        MLImage image = MLImage.CreateFromPixels(2, 1, MLPixelFormat.Bgra32, [1, 2, 3, 255, 5, 6, 7, 255]);
        image.Tag = "frog.png";

        using MLImage copy = ImageTensors.Copy(image);
        image.Dispose();

        Assert.Equal([1, 2, 3, 255, 5, 6, 7, 255], copy.Pixels.ToArray());
        Assert.Equal(("frog.png", MLPixelFormat.Bgra32), (copy.Tag, copy.PixelFormat));
    }

    [Fact]
    public void ToTensor_and_ToImage_leave_only_their_result_alive()
    {
        using MLImage image = MLImage.CreateFromPixels(4, 4, MLPixelFormat.Rgba32, OpaqueNoise(4, 4));
        using DisposeScope scope = NewDisposeScope();

        ImageTensors.ToImage(ImageTensors.ToTensor(image, 8, 8)).Dispose();

        Assert.Equal(1, scope.DisposablesCount);
    }

    private static SKColor Grey(double level) => new((byte)Math.Round(level), (byte)Math.Round(level), (byte)Math.Round(level));

    private static byte[] OpaqueNoise(int height, int width)
    {
        byte[] bytes = new byte[4 * height * width];
        new Random(5).NextBytes(bytes);
        for (int i = 3; i < bytes.Length; i += 4)
            bytes[i] = 255;
        return bytes;
    }

    private static MLImage Draw(int width, int height, Func<int, int, SKColor> colour)
    {
        byte[] bytes = [.. from y in Enumerable.Range(0, height)
                           from x in Enumerable.Range(0, width)
                           let c = colour(x, y)
                           from value in new byte[] { c.Red, c.Green, c.Blue, 255 }
                           select value];
        return MLImage.CreateFromPixels(width, height, MLPixelFormat.Rgba32, bytes);
    }

    /// <summary>Pixels with straight alpha, written to a file and read as LoadImages does.</summary>
    private static MLImage DecodePng(int width, params SKColor[] pixels)
    {
        var size = new SKImageInfo(width, pixels.Length / width, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        using var bitmap = new SKBitmap(size) { Pixels = pixels };
        using var stream = new MemoryStream();
        bitmap.Encode(stream, SKEncodedImageFormat.Png, 100);
        stream.Position = 0;
        return MLImage.CreateFromStream(stream);
    }
}
