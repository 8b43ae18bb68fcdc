// curves.png: language and diffusion loss over the steps of a training run.
using Microsoft.ML.Transfusion;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

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

        PlotSheet.Save(path, Width, Height, plot);
    }
}
