// A table of runs: what differs between its rows, what is measured, and which rows are held against which. Printed as Markdown, CSV and a plot.
using System.Globalization;
using System.Text;

namespace Experiments;

/// <summary>A number of a run.</summary>
/// <param name="Scale">100 for shares that are shown in percent.</param>
internal sealed record Metric(string Name, string Unit, Func<RunResult, double?> Of, double Scale = 1, int Digits = 3)
{
    public static Metric CaptionLoss { get; } = new("caption loss", "bits a byte, given the picture", result => result.CaptionLoss);

    public static Metric TextLoss { get; } = new("text loss", "bits a byte, captions alone", result => result.TextLoss);

    public static Metric PictureLoss { get; } = new("diffusion loss", "squared error at fixed noise", result => result.PictureLoss, Digits: 4);

    public static Metric Captions { get; } = new("captions correct", "%", result => result.CaptionsCorrect, 100, 1);

    public static Metric Drawn { get; } = new("drawn correctly", "%", result => result.DrawnCorrectly, 100, 1);

    public string Show(double value) => (value * Scale).ToString($"F{Digits}", CultureInfo.InvariantCulture);
}

/// <summary>A row: one configuration, of several seeds.</summary>
internal sealed record Arm(string Name, Experiment Experiment);

/// <summary>Two rows that differ in one thing.</summary>
internal sealed record Contrast(string Name, Arm Of, Arm Against);

/// <param name="Paper">What the paper says of the same question.</param>
internal sealed record ExperimentTable(string Name, string Title, string Paper, IReadOnlyList<Arm> Arms, IReadOnlyList<Metric> Metrics, IReadOnlyList<Contrast> Contrasts)
{
    public IEnumerable<Experiment> Runs(int seeds) => Arms.SelectMany(arm => Seeds(arm.Experiment, seeds));

    public static IEnumerable<Experiment> Seeds(Experiment experiment, int seeds) => Enumerable.Range(1, seeds).Select(seed => experiment with { Seed = seed });

    /// <summary>Writes NAME.md, NAME.csv and NAME.png.</summary>
    public void Write(string folder, RunCache cache, int seeds)
    {
        File.WriteAllText(Path.Combine(folder, $"{Name}.csv"), Csv(cache, seeds));
        string markdown = Markdown(cache, seeds);
        File.WriteAllText(Path.Combine(folder, $"{Name}.md"), markdown);
        TablePlot.Save(Path.Combine(folder, $"{Name}.png"), [.. Metrics.Select(metric => new TablePanel(Arms, metric))], (arm, metric) => Measure(cache, arm, metric, seeds));
        Console.WriteLine(markdown);
    }

    private string Markdown(RunCache cache, int seeds)
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"## {Title}").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"Mean of {seeds} seeds ± half of the 95 % interval. {Paper}").AppendLine();
        text.AppendLine($"| | FLOPs | {string.Join(" | ", Metrics.Select(metric => $"{metric.Name} ({metric.Unit})"))} |");
        text.AppendLine($"|---|---|{string.Concat(Metrics.Select(_ => "---|"))}");
        foreach (Arm arm in Arms)
            text.AppendLine(CultureInfo.InvariantCulture, $"| {arm.Name} | {cache[arm.Experiment].Flops:0.0e0} | {string.Join(" | ", Metrics.Select(metric => Measure(cache, arm, metric, seeds) is { } value ? $"{metric.Show(value.Mean)} ± {metric.Show(value.HalfWidth)}" : "–"))} |");
        text.AppendLine();
        foreach (Contrast contrast in Contrasts)
            foreach (Metric metric in Metrics)
                if (Differences(cache, contrast, metric, seeds) is [_, ..] differences)
                    text.AppendLine($"* {contrast.Name}, {metric.Name}: {Describe(Estimate.Of(differences), metric)}");
        return text.ToString();
    }

    private static string Describe(Estimate difference, Metric metric) =>
        $"{(difference.Mean < 0 ? "−" : "+")}{metric.Show(Math.Abs(difference.Mean))} ± {metric.Show(difference.HalfWidth)}{(difference.CoversZero ? "; the interval covers zero" : "")}";

    private string Csv(RunCache cache, int seeds)
    {
        var text = new StringBuilder();
        text.AppendLine($"arm,seed,flops,train_seconds,{string.Join(',', Metrics.Select(metric => metric.Name.Replace(' ', '_')))}");
        foreach (Arm arm in Arms)
            foreach (Experiment run in Seeds(arm.Experiment, seeds))
            {
                RunResult result = cache[run];
                text.AppendLine(CultureInfo.InvariantCulture, $"\"{arm.Name}\",{run.Seed},{result.Flops:R},{result.TrainSeconds:F1},{string.Join(',', Metrics.Select(metric => metric.Of(result)?.ToString("R", CultureInfo.InvariantCulture)))}");
            }
        return text.ToString();
    }

    public static Estimate? Measure(RunCache cache, Arm arm, Metric metric, int seeds)
    {
        double?[] values = [.. Seeds(arm.Experiment, seeds).Select(run => metric.Of(cache[run]))];
        return values.Contains(null) ? null : Estimate.Of([.. values.Select(value => value!.Value)]);
    }

    /// <summary>Seed by seed; none where one of the two has no such number.</summary>
    private static double[] Differences(RunCache cache, Contrast contrast, Metric metric, int seeds)
    {
        double?[] differences = [.. Seeds(contrast.Of.Experiment, seeds).Zip(Seeds(contrast.Against.Experiment, seeds), (of, against) => metric.Of(cache[of]) - metric.Of(cache[against]))];
        return differences.Contains(null) ? [] : [.. differences.Select(difference => difference!.Value)];
    }
}
