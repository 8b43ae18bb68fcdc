// Draws scenes with SkiaSharp: 32×32, antialiased, flat colours on white.
using SkiaSharp;

namespace Shapes.Data;

internal static class Renderer
{
    public const int Side = 32;

    /// <summary>Half the height of a large object, in pixels.</summary>
    public const int LargeRadius = 6;

    private const int SmallRadius = 4;
    private const float CrossHalfArm = 1 / 3f;                     // of the radius

    /// <summary>The scene as a bitmap.</summary>
    public static SKBitmap Draw(Scene scene)
    {
        SKBitmap bitmap = new(new SKImageInfo(Side, Side, SKColorType.Rgba8888, SKAlphaType.Opaque));
        using SKCanvas canvas = new(bitmap);
        canvas.Clear(ToSkia(Palette.Background));
        foreach (PlacedShape placed in scene.Objects)
            Draw(canvas, placed.Shape.Kind, Radius(placed.Shape.Size), placed.X, placed.Y, ToSkia(Palette.Of(placed.Shape.Color)));
        return bitmap;
    }

    /// <summary>The scene's pixels, row by row: red, green, blue.</summary>
    public static byte[] Render(Scene scene)
    {
        using SKBitmap bitmap = Draw(scene);
        ReadOnlySpan<byte> rgba = bitmap.GetPixelSpan();
        byte[] rgb = new byte[Side * Side * 3];
        for (int pixel = 0; pixel < Side * Side; pixel++)
            rgba.Slice(pixel * 4, 3).CopyTo(rgb.AsSpan(pixel * 3));
        return rgb;
    }

    /// <summary>The share of every pixel that a shape covers, in a square window, with the shape's middle off the window's by (x, y).</summary>
    public static float[] Coverage(ShapeKind kind, float radius, float x, float y, int windowSide)
    {
        using SKBitmap bitmap = new(new SKImageInfo(windowSide, windowSide, SKColorType.Gray8, SKAlphaType.Opaque));
        using (SKCanvas canvas = new(bitmap))
        {
            canvas.Clear(SKColors.Black);
            Draw(canvas, kind, radius, windowSide / 2 + x, windowSide / 2 + y, SKColors.White);
        }
        return Array.ConvertAll(bitmap.GetPixelSpan().ToArray(), value => value / 255f);
    }

    public static int Radius(ShapeSize size) => size == ShapeSize.Small ? SmallRadius : LargeRadius;

    private static void Draw(SKCanvas canvas, ShapeKind kind, float radius, float x, float y, SKColor color)
    {
        using SKPaint paint = new() { Color = color, IsAntialias = true };
        using SKPath path = new();
        switch (kind)
        {
            case ShapeKind.Circle:
                path.AddCircle(x, y, radius);
                break;
            case ShapeKind.Square:
                path.AddRect(Around(x, y, radius, radius));
                break;
            case ShapeKind.Triangle:
                path.AddPoly([new(x, y - radius), new(x + radius, y + radius), new(x - radius, y + radius)]);
                break;
            case ShapeKind.Cross:
                path.AddRect(Around(x, y, CrossHalfArm * radius, radius));
                path.AddRect(Around(x, y, radius, CrossHalfArm * radius));
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(kind));
        }
        canvas.DrawPath(path, paint);
    }

    private static SKRect Around(float x, float y, float halfWidth, float halfHeight) => new(x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight);

    private static SKColor ToSkia(Rgb color) => new(color.Red, color.Green, color.Blue);
}
