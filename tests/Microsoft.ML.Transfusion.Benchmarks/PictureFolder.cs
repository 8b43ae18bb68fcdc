// A folder of small pictures, each different, with captions.tsv.
using Microsoft.ML.Data;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal static class PictureFolder
{
    private static readonly string[] Words = ["red", "green", "blue", "white", "dark", "small", "large", "box", "bar", "field", "above", "below", "beside", "on", "a", "the", "and", "with"];

    /// <summary>Three boxes on a ground, in colours and places that follow from the picture's number.</summary>
    public static string Make(string folder, int count, int size)
    {
        Directory.CreateDirectory(folder);
        using StreamWriter captions = File.CreateText(Path.Combine(folder, "captions.tsv"));
        byte[] pixels = new byte[4 * size * size];
        for (int number = 0; number < count; number++)
        {
            var random = new Random(number);
            string name = $"{number:D7}.png";
            Draw(random, pixels, size);
            using (MLImage picture = MLImage.CreateFromPixels(size, size, MLPixelFormat.Rgba32, pixels))
                picture.Save(Path.Combine(folder, name));
            captions.WriteLine($"{name}\t{string.Join(' ', random.GetItems(Words, random.Next(4, 13)))}");
        }
        return folder;
    }

    private static void Draw(Random random, byte[] pixels, int size)
    {
        for (int box = 0; box < 4; box++)
        {
            (int left, int top) = box == 0 ? (0, 0) : (random.Next(size), random.Next(size));
            (int right, int bottom) = box == 0 ? (size, size) : (random.Next(left, size) + 1, random.Next(top, size) + 1);
            (byte red, byte green, byte blue) = ((byte)random.Next(256), (byte)random.Next(256), (byte)random.Next(256));
            for (int y = top; y < bottom; y++)
                for (int x = left; x < right; x++)
                    (pixels[4 * (y * size + x)], pixels[4 * (y * size + x) + 1], pixels[4 * (y * size + x) + 2], pixels[4 * (y * size + x) + 3]) = (red, green, blue, 255);
        }
    }
}
