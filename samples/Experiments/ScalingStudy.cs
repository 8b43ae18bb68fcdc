// Both recipes over sizes, on equal data: power laws of each number in the FLOPs of training, and the share of the discrete recipe's compute that the
// continuous one needs for the same (Transfusion §4.2, figure 5 and table 3).
using System.Globalization;
using System.Text;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;
using Samples.Common;

namespace Experiments;

internal sealed record ScalingStudy(IReadOnlyList<Arm> Continuous, IReadOnlyList<Arm> Discrete)
{
    public const string Name = "scaling";
    private const int PanelWidth = 480, PanelHeight = 420;

    // What is fitted falls: shares right become shares wrong. No share is taken for nothing at all, of which a logarithm knows nothing.
    private static readonly Metric[] Metrics =
    [
        Metric.CaptionLoss,
        new("captions wrong", "share", result => Wrong(result.CaptionsCorrect)), new("drawn wrong", "share", result => Wrong(result.DrawnCorrectly)),
    ];

    public IEnumerable<Experiment> Runs(int seeds) => Continuous.Concat(Discrete).SelectMany(arm => ExperimentTable.Seeds(arm.Experiment, seeds));

    /// <summary>Writes scaling.md, scaling.csv and scaling.png.</summary>
    public void Write(string folder, RunCache cache, int seeds)
    {
        var text = new StringBuilder();
        text.AppendLine("## Continuous patches against discrete tokens, over sizes").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"Mean of {seeds} seeds ± half of the 95 % interval. Below, a · Cᵇ by least squares of logarithms, with 95 % intervals from resampled seeds; the parity FLOP ratio is the share of the largest discrete model's compute at which the continuous fit reaches the discrete one. The paper's at 7B: 0.489 and 0.526 of perplexity, 0.218 of CIDEr, 0.029 of FID.").AppendLine();
        text.AppendLine($"| | FLOPs | {string.Join(" | ", Metrics.Select(metric => $"{metric.Name} ({metric.Unit})"))} |");
        text.AppendLine($"|---|---|{string.Concat(Metrics.Select(_ => "---|"))}");
        foreach (Arm arm in Continuous.Concat(Discrete))
        {
            RunResult[] results = [.. ExperimentTable.Seeds(arm.Experiment, seeds).Select(run => cache[run])];
            text.AppendLine(CultureInfo.InvariantCulture, $"| {arm.Name} | {results[0].Flops:0.00e0} | {string.Join(" | ", Metrics.Select(metric => Show(metric, results)))} |");
        }
        text.AppendLine().AppendLine("| | exponent, continuous | exponent, discrete | parity FLOP ratio |").AppendLine("|---|---|---|---|");
        foreach (Metric metric in Metrics)
            text.AppendLine(CultureInfo.InvariantCulture, $"| {metric.Name} | {Exponent(Points(Continuous, metric, cache, seeds))} | {Exponent(Points(Discrete, metric, cache, seeds))} | {Parity(metric, cache, seeds)} |");
        text.AppendLine(CultureInfo.InvariantCulture, $"| what is learned of pictures: squared error at fixed noise, nats a code | {Exponent(Points(Continuous, Metric.PictureLoss, cache, seeds))} | {Exponent(Points(Discrete, Metric.PictureLoss, cache, seeds))} | – |");
        File.WriteAllText(Path.Combine(folder, $"{Name}.md"), text.ToString());
        File.WriteAllText(Path.Combine(folder, $"{Name}.csv"), Csv(cache, seeds));
        PlotSheet.Save(Path.Combine(folder, $"{Name}.png"), PanelWidth, PanelHeight, [.. Metrics.Select(metric => Panel(metric, cache, seeds))]);
        Console.WriteLine(text);
    }

    private static double? Wrong(double? right) => right is { } share ? Math.Max(1 - share, 0.5 / 300) : null;

    private static string Show(Metric metric, RunResult[] results)
    {
        var value = Estimate.Of([.. results.Select(result => metric.Of(result)!.Value)]);
        return $"{metric.Show(value.Mean)} ± {metric.Show(value.HalfWidth)}";
    }

    private static List<ScalingPoint[]> Points(IReadOnlyList<Arm> arms, Metric metric, RunCache cache, int seeds) =>
        [.. arms.Select(arm => ExperimentTable.Seeds(arm.Experiment, seeds).Select(run => new ScalingPoint(cache[run].Flops, metric.Of(cache[run])!.Value)).ToArray())];

    private static PowerLaw Fit(IEnumerable<ScalingPoint[]> groups) => PowerLaw.Fit([.. groups.SelectMany(group => group)]);

    private static string Exponent(IReadOnlyList<ScalingPoint[]> groups)
    {
        var interval = Interval.Bootstrap(groups, resampled => Fit(resampled).Exponent);
        return string.Create(CultureInfo.InvariantCulture, $"{Fit(groups).Exponent:F3} ({interval.Low:F3} to {interval.High:F3})");
    }

    private string Parity(Metric metric, RunCache cache, int seeds)
    {
        List<ScalingPoint[]> continuous = Points(Continuous, metric, cache, seeds), discrete = Points(Discrete, metric, cache, seeds);
        double flops = discrete.Max(group => group[0].Flops);
        double Ratio(IReadOnlyList<ScalingPoint[]> groups) => Fit(groups.Take(continuous.Count)).ParityRatio(Fit(groups.Skip(continuous.Count)), flops);
        List<ScalingPoint[]> both = [.. continuous, .. discrete];
        var interval = Interval.Bootstrap(both, Ratio);
        return string.Create(CultureInfo.InvariantCulture, $"{Ratio(both):G3} ({interval.Low:G3} to {interval.High:G3}){(interval.Covers(1) ? "; the interval covers 1" : "")}");
    }

    private string Csv(RunCache cache, int seeds)
    {
        var text = new StringBuilder();
        text.AppendLine($"recipe,size,seed,flops,train_seconds,{string.Join(',', Metrics.Select(metric => metric.Name.Replace(' ', '_')))}");
        foreach ((string recipe, IReadOnlyList<Arm> arms) in new[] { ("continuous", Continuous), ("discrete", Discrete) })
            foreach (Experiment run in arms.SelectMany(arm => ExperimentTable.Seeds(arm.Experiment, seeds)))
                text.AppendLine(CultureInfo.InvariantCulture, $"{recipe},{run.HiddenSize}x{run.Layers},{run.Seed},{cache[run].Flops:R},{cache[run].TrainSeconds:F1},{string.Join(',', Metrics.Select(metric => metric.Of(cache[run])?.ToString("R", CultureInfo.InvariantCulture)))}");
        return text.ToString();
    }

    private PlotModel Panel(Metric metric, RunCache cache, int seeds)
    {
        var plot = new PlotModel { Title = metric.Name, Background = OxyColors.White };
        plot.Axes.Add(new LogarithmicAxis { Position = AxisPosition.Bottom, Title = "FLOPs of training", MajorGridlineStyle = LineStyle.Dot });
        plot.Axes.Add(new LogarithmicAxis { Position = AxisPosition.Left, Title = metric.Unit, MajorGridlineStyle = LineStyle.Dot });
        plot.Legends.Add(new OxyPlot.Legends.Legend { LegendPosition = OxyPlot.Legends.LegendPosition.LeftBottom });
        foreach ((string recipe, IReadOnlyList<Arm> arms, OxyColor color) in new[] { ("continuous", Continuous, OxyColors.SteelBlue), ("discrete", Discrete, OxyColors.Firebrick) })
        {
            List<ScalingPoint[]> groups = Points(arms, metric, cache, seeds);
            PowerLaw law = Fit(groups);
            var points = new ScatterSeries { Title = recipe, MarkerType = MarkerType.Circle, MarkerSize = 4, MarkerFill = color };
            points.Points.AddRange(groups.SelectMany(group => group).Select(point => new ScatterPoint(point.Flops, point.Value)));
            var line = new LineSeries { Color = color };
            line.Points.AddRange(groups.Select(group => new DataPoint(group[0].Flops, law.At(group[0].Flops))).OrderBy(point => point.X));
            plot.Series.Add(points);
            plot.Series.Add(line);
        }
        return plot;
    }
}
