// curves.png: language and diffusion loss over the steps of a training run.
using Microsoft.ML.Transfusion;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;
using SkiaSharp;

namespace Samples.Common;

public static class LossCurves
{
    private const int Width = 960;
    private const int Height = 540;

    public static void Save(string path, IEnumerable<TrainingProgress> history)
    {
        PlotModel plot = new() { Title = "Training", Background = OxyColors.White };
        plot.Axes.Add(new LinearAxis { Position = AxisPosition.Bottom, Title = "step", MajorGridlineStyle = LineStyle.Dot });
        plot.Axes.Add(new LogarithmicAxis { Position = AxisPosition.Left, Title = "loss", MajorGridlineStyle = LineStyle.Dot });
        plot.Legends.Add(new Legend { LegendPosition = LegendPosition.RightTop });
        LineSeries language = new() { Title = "language (nats a token)", Color = OxyColors.SteelBlue };
        LineSeries diffusion = new() { Title = "diffusion (mean squared error)", Color = OxyColors.Firebrick };
        foreach (TrainingProgress progress in history)
        {
            language.Points.Add(new DataPoint(progress.Step, progress.LanguageLoss));         // NaN leaves a gap
            diffusion.Points.Add(new DataPoint(progress.Step, progress.DiffusionLoss));
        }
        plot.Series.Add(language);
        plot.Series.Add(diffusion);

        using SKBitmap sheet = new(Width, Height);
        using (SKCanvas canvas = new(sheet))
        using (DotTextRenderContext context = new(canvas))
        {
            canvas.Clear(SKColors.White);
            ((IPlotModel)plot).Update(updateData: true);
            ((IPlotModel)plot).Render(context, new OxyRect(0, 0, Width, Height));
        }
        using FileStream file = File.Create(path);
        sheet.Encode(file, SKEncodedImageFormat.Png, quality: 100);
    }
}
