// How an experiment spends its time, told from runs that train nothing.
using Microsoft.ML.Transfusion.Experiments;

namespace Microsoft.ML.Transfusion.Tests.Experiments;

public class ExperimentSearchTests
{
    private const int Steps = 1000;
    private readonly List<(string Name, RunPlan Plan)> _runs = [];
    private readonly ExperimentBudget _budget = new(TimeSpan.Zero, Steps, () => TimeSpan.Zero);

    [Fact]
    public void The_best_two_are_tried_again_and_the_winner_gets_what_is_left()
    {
        Search(["a", "b", "c"], (name, plan) => name switch { "a" => 0.3, "b" => 0.2, _ => plan.Limit.Steps < 60 ? 0.25 : 0.1 });

        Assert.Equal(["a", "b", "c", "b", "c", "c"], _runs.Select(run => run.Name));
        Assert.Equal([50, 50, 50, 70, 70, Steps - 290], _runs.Select(run => run.Plan.Limit.Steps));
        Assert.Equal([true, true, true, true, true, false], _runs.Select(run => run.Plan.IsProbe));
    }

    [Fact]
    public void Probes_are_compared_with_the_best_of_their_round()
    {
        Search(["a", "b", "c"], (name, _) => name switch { "a" => 0.3, "b" => 0.2, _ => 0.4 });

        Assert.Equal([null, 0.6, 0.4, null, 0.4, null], _runs.Select(run => run.Plan.RivalScore));         // halfway, scores are twice as high
    }

    [Fact]
    public void A_failed_probe_is_out_and_a_failed_winner_leaves_its_time_to_the_next()
    {
        Search(["a", "b", "c"], (name, plan) => name switch { "a" => null, "b" when !plan.IsProbe => null, "b" => 0.1, _ => 0.2 });

        Assert.Equal(["a", "b", "c", "b", "c", "b", "c"], _runs.Select(run => run.Name));
        Assert.False(_runs[^1].Plan.IsProbe);
    }

    [Fact]
    public void A_long_run_that_stops_early_leaves_its_time_to_the_next()
    {
        Search(["a", "b"], (name, _) => name == "a" ? 0.1 : 0.2, stops: (name, plan) => name == "a" && !plan.IsProbe);

        Assert.Equal(["a", "b", "a", "b"], _runs.Select(run => run.Name));
        Assert.Equal(Steps, _runs.Sum(run => run.Plan.Limit.Steps!.Value / (run == _runs[2] ? 2 : 1)));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(3, 3)]
    [InlineData(4, 4)]
    [InlineData(5, 4)]
    [InlineData(6, 6)]
    [InlineData(7, 6)]
    public void MaxModels_limits_the_runs_and_one_of_them_is_long(int most, int expected)
    {
        Search(["a", "b", "c"], (_, _) => 0.1, maxModels: most);

        Assert.Equal(expected, _runs.Count);
        Assert.Single(_runs, run => !run.Plan.IsProbe);
        Assert.Equal(Steps, _runs.Sum(run => run.Plan.Limit.Steps));
    }

    [Fact]
    public void A_budget_too_short_for_slices_goes_to_the_likeliest_candidate()
    {
        var budget = new ExperimentBudget(TimeSpan.FromSeconds(20), null, () => TimeSpan.Zero);

        new ExperimentSearch(Candidates(["a", "b"]), budget, null, Run((_, _) => 0.1, (_, _) => false), CancellationToken.None).Execute();

        Assert.Equal([("a", TimeSpan.FromSeconds(20))], _runs.Select(run => (run.Name, run.Plan.Limit.Time!.Value)));
    }

    [Fact]
    public void Nothing_runs_after_cancellation()
    {
        using var source = new CancellationTokenSource();

        Search(["a", "b", "c"], (name, _) =>
        {
            if (name == "b")
                source.Cancel();
            return 0.1;
        }, cancellation: source.Token);

        Assert.Equal(["a", "b"], _runs.Select(run => run.Name));
    }

    [Fact]
    public void Time_that_scoring_takes_is_kept_back_for_the_next_run()
    {
        TimeSpan elapsed = TimeSpan.FromSeconds(10);
        var budget = new ExperimentBudget(TimeSpan.FromSeconds(100), null, () => elapsed);
        Assert.Equal(TimeSpan.FromSeconds(90), budget.Of(1).Time);

        budget.Spend(5, TimeSpan.FromSeconds(3));
        budget.Spend(5, TimeSpan.FromSeconds(2));

        Assert.Equal(87, budget.Of(1).Time!.Value.TotalSeconds, 1e-6);
        Assert.Equal(20, budget.Of(0.2).Time!.Value.TotalSeconds, 1e-6);
        elapsed = TimeSpan.FromSeconds(101);
        Assert.Equal(0, budget.Left);
    }

    private void Search(string[] names, Func<string, RunPlan, double?> score, int? maxModels = null, Func<string, RunPlan, bool>? stops = null, CancellationToken cancellation = default) =>
        new ExperimentSearch(Candidates(names), _budget, maxModels, Run(score, stops ?? ((_, _) => false)), cancellation).Execute();

    private static GenerationCandidate[] Candidates(string[] names) => [.. names.Select(name => new GenerationCandidate(name, TinyTraining.Options))];

    private Func<GenerationCandidate, RunPlan, RunOutcome> Run(Func<string, RunPlan, double?> score, Func<string, RunPlan, bool> stops) => (candidate, plan) =>
    {
        _runs.Add((candidate.Name, plan));
        double? reached = score(candidate.Name, plan);
        bool stopped = stops(candidate.Name, plan);
        int steps = reached is null ? 1 : (plan.Limit.Steps ?? Steps) / (stopped ? 2 : 1);
        _budget.Spend(steps, TimeSpan.Zero);
        TransfusionRunDetail detail = new()
        {
            TrainerName = candidate.Name,
            Options = candidate.Options,
            Estimator = new MLContext().Generation.Trainers.Transfusion(candidate.Options),
            ValidationMetrics = reached is null ? null : new TransfusionValidationMetrics { LanguageLoss = reached },
            StoppedEarly = stopped,
            Steps = steps,
        };
        return new RunOutcome(detail, 2 * reached);
    };
}
