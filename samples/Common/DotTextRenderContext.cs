// OxyPlot's SkiaSharp canvas with our own lettering, because a machine without fonts would get plots without a word on them.
using OxyPlot;
using OxyPlot.SkiaSharp;
using SkiaSharp;
using HorizontalAlignment = OxyPlot.HorizontalAlignment;
using VerticalAlignment = OxyPlot.VerticalAlignment;

namespace Samples.Common;

/// <summary>Draws everything as OxyPlot does, but text with <see cref="PixelText"/>.</summary>
internal sealed class DotTextRenderContext : SkiaRenderContext, IRenderContext
{
    private const int Dot = 2;
    private static readonly int LineHeight = PixelText.Height(Dot + 1);        // half as much again as the letters: air between lines

    public DotTextRenderContext(SKCanvas canvas) => SkCanvas = canvas;

    OxySize IRenderContext.MeasureText(string text, string? fontFamily, double fontSize, double fontWeight) =>
        new(PixelText.Width(text ?? "", Dot), LineHeight);

    void IRenderContext.DrawText(
        ScreenPoint p, string text, OxyColor fill, string? fontFamily, double fontSize, double fontWeight,
        double rotation, HorizontalAlignment horizontalAlignment, VerticalAlignment verticalAlignment, OxySize? maxSize)
    {
        if (text is null)
            return;
        float left = -PixelText.Width(text, Dot) * Share((int)horizontalAlignment);
        float top = (LineHeight - PixelText.Height(Dot)) / 2f - LineHeight * Share((int)verticalAlignment);
        SkCanvas.Save();
        SkCanvas.Translate((float)p.X, (float)p.Y);
        SkCanvas.RotateDegrees((float)rotation);
        PixelText.Draw(SkCanvas, text, left, top, Dot, new SKColor(fill.R, fill.G, fill.B));
        SkCanvas.Restore();
    }

    /// <summary>OxyPlot's alignments are −1 (left, top), 0 (centre, middle) and 1 (right, bottom).</summary>
    private static float Share(int alignment) => (alignment + 1) / 2f;
}
