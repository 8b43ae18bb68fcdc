// Plots side by side in one PNG file.
using OxyPlot;
using SkiaSharp;

namespace Samples.Common;

public static class PlotSheet
{
    /// <param name="panels">From left to right.</param>
    public static void Save(string path, int panelWidth, int height, params IReadOnlyList<PlotModel> panels)
    {
        using SKBitmap sheet = new(panelWidth * panels.Count, height);
        using (SKCanvas canvas = new(sheet))
        using (DotTextRenderContext context = new(canvas))
        {
            canvas.Clear(SKColors.White);
            foreach ((int at, PlotModel panel) in panels.Index())
            {
                ((IPlotModel)panel).Update(updateData: true);
                ((IPlotModel)panel).Render(context, new OxyRect(at * panelWidth, 0, panelWidth, height));
            }
        }
        using FileStream file = File.Create(path);
        sheet.Encode(file, SKEncodedImageFormat.Png, quality: 100);
    }
}
