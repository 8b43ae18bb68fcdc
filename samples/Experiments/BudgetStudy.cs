// Models of several sizes, each trained until the same FLOPs are spent: which size makes the most of a budget, and what TransformerConfig.ForBudget takes.
using System.Globalization;
using System.Text;
using Microsoft.ML.Transfusion;

namespace Experiments;

/// <param name="Flops">Of training, about.</param>
internal sealed record Budget(double Flops, IReadOnlyList<Arm> Arms);

internal sealed record BudgetStudy(IReadOnlyList<Budget> Budgets)
{
    public const string Name = "budget";

    // Both losses at once, a tenth of either counting the same: what the library's own experiments rank by.
    private static readonly Metric Loss = new("validation loss", "√(caption loss · diffusion loss)", result => Math.Sqrt(result.CaptionLoss!.Value * result.PictureLoss!.Value), Digits: 4);

    /// <summary>Steps of every size are what the budget allows, counted for a vocabulary and captions of about the data's size; a result has the FLOPs that were.</summary>
    public static BudgetStudy Of(Experiment reference, IReadOnlyList<(double Share, (int HiddenSize, int Layers)[] Sizes)> budgets)
    {
        double whole = PerStep(reference) * reference.Steps;
        return new([.. budgets.Select(budget => new Budget(whole * budget.Share, [.. budget.Sizes.Select(size =>
        {
            Experiment sized = reference with { HiddenSize = size.HiddenSize, Layers = size.Layers };
            return new Arm($"{size.HiddenSize}×{size.Layers}", sized with { Steps = (int)Math.Round(whole * budget.Share / PerStep(sized)) });
        })]))]);
    }

    public IEnumerable<Experiment> Runs(int seeds) => Budgets.SelectMany(budget => budget.Arms).SelectMany(arm => ExperimentTable.Seeds(arm.Experiment, seeds));

    /// <summary>Writes budget.md, budget.csv and budget.png.</summary>
    public void Write(string folder, RunCache cache, int seeds)
    {
        StringBuilder text = new(), csv = new("budget,size,steps,seed,flops,train_seconds,caption_loss,diffusion_loss,captions_correct,drawn_correctly\n");
        text.AppendLine("## Which size makes the most of a budget").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"Mean of {seeds} seeds ± half of the 95 % interval.");
        foreach (Budget budget in Budgets)
        {
            double flops = Counted(budget);
            text.AppendLine().AppendLine($"| {flops.ToString("0.0e0", CultureInfo.InvariantCulture)} FLOPs | steps | {Loss.Name}, {Loss.Unit} | captions correct (%) | drawn correctly (%) |").AppendLine("|---|---|---|---|---|");
            foreach (Arm arm in budget.Arms)
            {
                string Show(Metric metric) => Of(arm, metric) is { } value ? $"{metric.Show(value.Mean)} ± {metric.Show(value.HalfWidth)}" : "–";
                text.AppendLine(CultureInfo.InvariantCulture, $"| {arm.Name} | {arm.Experiment.Steps} | {Show(Loss)} | {Show(Metric.Captions)} | {Show(Metric.Drawn)} |");
                foreach (Experiment run in ExperimentTable.Seeds(arm.Experiment, seeds))
                    csv.AppendLine(CultureInfo.InvariantCulture, $"{flops:R},{arm.Name},{run.Steps},{run.Seed},{cache[run].Flops:R},{cache[run].TrainSeconds:F1},{cache[run].CaptionLoss:R},{cache[run].PictureLoss:R},{cache[run].CaptionsCorrect:R},{cache[run].DrawnCorrectly:R}");
            }
            TransformerConfig chosen = TransformerConfig.ForBudget(flops);
            double best = budget.Arms.Min(arm => Of(arm, Loss)!.Value.Mean);
            Arm? taken = budget.Arms.SingleOrDefault(arm => arm.Experiment.HiddenSize == chosen.HiddenSize && arm.Experiment.Layers == chosen.NumberOfLayers);
            text.AppendLine().AppendLine(CultureInfo.InvariantCulture, $"`TransformerConfig.ForBudget({flops:0.0e0})` is {chosen.HiddenSize}×{chosen.NumberOfLayers}, {(taken is null ? "which is not among these" : $"{100 * (Of(taken, Loss)!.Value.Mean / best - 1):F1} % above the best")}.");
        }
        File.WriteAllText(Path.Combine(folder, $"{Name}.md"), text.ToString());
        File.WriteAllText(Path.Combine(folder, $"{Name}.csv"), csv.ToString());
        TablePlot.Save(Path.Combine(folder, $"{Name}.png"), [.. Budgets.Select(budget => new TablePanel(budget.Arms, Loss, $"{Counted(budget).ToString("0.0e0", CultureInfo.InvariantCulture)} FLOPs"))], Of);
        Console.WriteLine(text);

        Estimate? Of(Arm arm, Metric metric) => ExperimentTable.Measure(cache, arm, metric, seeds);
        double Counted(Budget budget) => budget.Arms.Average(arm => cache[arm.Experiment].Flops);           // the budget's own are estimated
    }

    private static double PerStep(Experiment experiment)
    {
        const int Vocabulary = 300, CaptionTokens = 14;
        var config = new TransfusionConfig { Transformer = experiment.Transformer, Image = experiment.Image, Diffusion = experiment.Diffusion };
        return Experiment.BatchSize * FlopCount.Training(config, Vocabulary, CaptionTokens, images: 1).Total;
    }
}
