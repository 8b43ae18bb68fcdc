// drawn.png: a grid of pictures, enlarged without smoothing, each above its caption.
using System.Runtime.InteropServices;
using Microsoft.ML.Data;
using SkiaSharp;

namespace Samples.Common;

/// <summary>A picture and the text below it; the text is red where <paramref name="Right"/> is false.</summary>
public sealed record CaptionedPicture(MLImage Picture, string Caption, bool Right = true);

public static class PictureGrid
{
    private const int PictureSide = 160;
    private const int Margin = 12;
    private const int Dot = 2;
    private const int LineHeight = 14;
    private const int MostLines = 4;
    private static readonly SKColor Paper = new(0xF4, 0xF4, 0xF4);
    private static readonly SKColor Ink = new(0x20, 0x20, 0x20);
    private static readonly SKColor RedInk = new(0xC0, 0x20, 0x20);

    public static void Save(string path, IReadOnlyList<CaptionedPicture> pictures, int columns = 8)
    {
        int rows = (pictures.Count + columns - 1) / columns;
        const int CellWidth = PictureSide + Margin;
        const int CellHeight = PictureSide + Margin + MostLines * LineHeight;
        using SKBitmap sheet = new(columns * CellWidth + Margin, rows * CellHeight + Margin);
        using (SKCanvas canvas = new(sheet))
        {
            canvas.Clear(Paper);
            for (int number = 0; number < pictures.Count; number++)
                DrawCell(canvas, pictures[number], Margin + number % columns * CellWidth, Margin + number / columns * CellHeight);
        }
        using FileStream file = File.Create(path);
        sheet.Encode(file, SKEncodedImageFormat.Png, quality: 100);
    }

    private static void DrawCell(SKCanvas canvas, CaptionedPicture cell, int left, int top)
    {
        using SKBitmap picture = ToBitmap(cell.Picture);
        using SKPaint nearest = new() { FilterQuality = SKFilterQuality.None };
        canvas.DrawBitmap(picture, SKRect.Create(left, top, PictureSide, PictureSide), nearest);
        foreach ((int number, string line) in PixelText.Wrap(cell.Caption, PictureSide, Dot).Take(MostLines).Index())
            PixelText.Draw(canvas, line, left, top + PictureSide + 6 + number * LineHeight, Dot, cell.Right ? Ink : RedInk);
    }

    private static SKBitmap ToBitmap(MLImage image)
    {
        SKColorType order = image.PixelFormat == MLPixelFormat.Rgba32 ? SKColorType.Rgba8888 : SKColorType.Bgra8888;
        SKBitmap bitmap = new(new SKImageInfo(image.Width, image.Height, order, SKAlphaType.Opaque));
        Marshal.Copy(image.Pixels.ToArray(), 0, bitmap.GetPixels(), bitmap.ByteCount);
        return bitmap;
    }
}
