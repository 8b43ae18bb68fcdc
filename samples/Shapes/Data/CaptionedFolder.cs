// Writes shapes as a folder of captioned pictures that any tool can read: 00000.png, 00001.png, … and captions.tsv.
using SkiaSharp;

namespace Shapes.Data;

internal static class CaptionedFolder
{
    /// <summary>Draws <paramref name="count"/> training pictures into a folder, which is made where it is missing.</summary>
    public static void Write(string folder, int count, int seed)
    {
        Directory.CreateDirectory(folder);
        Random random = new(seed);
        using StreamWriter captions = new(Path.Combine(folder, "captions.tsv"));
        captions.Write("image\tcaption\n");
        for (int number = 0; number < count; number++)
        {
            Scene scene = SceneSampler.Next(random, heldOut: false);
            string name = $"{number:D5}.png";
            using SKBitmap bitmap = Renderer.Draw(scene);
            using (FileStream file = File.Create(Path.Combine(folder, name)))
                bitmap.Encode(file, SKEncodedImageFormat.Png, quality: 100);
            captions.Write($"{name}\t{Caption.Write(scene.Composition, random)}\n");
        }
    }
}
