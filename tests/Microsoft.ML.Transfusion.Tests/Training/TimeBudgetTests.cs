// A run that time alone limits: whatever the machine's speed, the schedule goes by the share of the time that is gone, and ends with it.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Training;

public sealed class TimeBudgetTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void The_schedule_ends_with_the_time_and_the_epochs_that_it_bought_are_told()
    {
        TimeSpan time = TimeSpan.FromSeconds(0.7);
        Document[] pairs = TinyNetwork.Documents(12);
        var optimizer = new OptimizerConfig { BatchSize = 4, WarmupSteps = 1 };
        List<TimeSpan> elapsed = [TimeSpan.Zero];                  // after each step
        TrainingProgress? last = null;
        TrainingTotals? totals = null;
        using TransfusionNetwork network = TinyNetwork.Create();

        new TrainingLoop(network, TinyNetwork.Config, TinyNetwork.Special, new TrainingOptions(optimizer, NumberOfSteps: null, time, Seed: 1,
            TrainingPrecision.Float32, CPU, Progress: new LastReport(report => last = report))
        {
            AfterStep = state => elapsed.Add(state.Elapsed),
            Summarize = summary => totals = summary,
        }).Run(pairs, []);

        int steps = elapsed.Count - 1;
        Assert.True(elapsed[^2] < time && elapsed[^1] >= time, "The last step is the first that ends after the time.");
        Assert.Equal(WarmupCosineSchedule.LearningRate(optimizer, steps, elapsed[^2] / time), last!.LearningRate, 12);
        Assert.Equal((steps, 1.0, TimeSpan.Zero), (last.Step, last.Fraction, last.Remaining));
        Assert.Equal((steps, last.Documents, last.Epochs, elapsed[^1]), (totals!.Steps, totals.Documents, totals.Epochs, totals.Elapsed));
        Assert.Equal(totals.Documents / 12.0, totals.Epochs, 12);
        Assert.InRange(totals.Documents, steps, 4 * steps);
    }

    [Fact]
    public void Totals_are_told_of_a_cancelled_run_that_never_reported()
    {
        TrainingTotals? totals = null;
        using TransfusionNetwork network = TinyNetwork.Create();
        using var cancellation = new CancellationTokenSource();

        new TrainingLoop(network, TinyNetwork.Config, TinyNetwork.Special, new TrainingOptions(new OptimizerConfig { BatchSize = 4 }, NumberOfSteps: 1000, null, Seed: 1,
            TrainingPrecision.Float32, CPU, CancellationToken: cancellation.Token)
        {
            AfterStep = state =>
            {
                if (state.Step == 3)
                    cancellation.Cancel();
            },
            Summarize = summary => totals = summary,
        }).Run(TinyNetwork.Documents(12), []);

        Assert.Equal(3, totals!.Steps);
        Assert.True(totals.TokensPerSecond > 0 && totals.SkippedSteps == 0);
    }

    private sealed class LastReport(Action<TrainingProgress> keep) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => keep(value);
    }
}
