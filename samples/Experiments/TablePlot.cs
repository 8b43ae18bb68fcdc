// Panels beside each other: a point for each row of a table, with its 95 % interval.
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;
using Samples.Common;

namespace Experiments;

/// <param name="Title">Above the panel; null: none.</param>
internal sealed record TablePanel(IReadOnlyList<Arm> Arms, Metric Metric, string? Title = null);

internal static class TablePlot
{
    private const int PanelWidth = 420;
    private const int RowHeight = 40;
    private const int Frame = 130;

    public static void Save(string path, IReadOnlyList<TablePanel> panels, Func<Arm, Metric, Estimate?> measure) =>
        PlotSheet.Save(path, PanelWidth, Frame + RowHeight * panels.Max(panel => panel.Arms.Count), [.. panels.Select(panel => Draw(panel, measure))]);

    private static PlotModel Draw(TablePanel panel, Func<Arm, Metric, Estimate?> measure)
    {
        (IReadOnlyList<Arm> arms, Metric metric, string? title) = panel;
        var plot = new PlotModel { Title = title, Background = OxyColors.White };
        // From top to bottom, as the table has them.
        var names = new CategoryAxis { Position = AxisPosition.Left };
        names.Labels.AddRange(arms.Reverse().Select(arm => arm.Name));
        plot.Axes.Add(names);
        var series = new ScatterErrorSeries { MarkerType = MarkerType.Circle, MarkerSize = 4, MarkerFill = OxyColors.SteelBlue, ErrorBarColor = OxyColors.SteelBlue, ErrorBarStrokeThickness = 2 };
        double low = double.PositiveInfinity, high = double.NegativeInfinity;
        foreach ((int row, Arm arm) in arms.Reverse().Index())
            if (measure(arm, metric) is { } value)
            {
                double mean = value.Mean * metric.Scale, half = double.IsNaN(value.HalfWidth) ? 0 : value.HalfWidth * metric.Scale;
                series.Points.Add(new ScatterErrorPoint(mean, row, 2 * half, 0));
                (low, high) = (Math.Min(low, mean - half), Math.Max(high, mean + half));
            }
        plot.Series.Add(series);
        double margin = Math.Max((high - low) / 20, 1e-3);      // OxyPlot would leave the intervals out of the axis
        plot.Axes.Add(new LinearAxis { Position = AxisPosition.Bottom, Title = metric.Scale == 1 ? metric.Name : $"{metric.Name} ({metric.Unit})", MajorGridlineStyle = LineStyle.Dot, Minimum = low - margin, Maximum = high + margin });
        return plot;
    }
}
