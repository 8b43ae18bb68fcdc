using System.Diagnostics;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tests.Modeling;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Training;

public sealed class TrainingLoopTests : IDisposable
{
    private static readonly Document[] Pairs = TinyNetwork.Documents(12);
    private static readonly TrainingOptions Options = new(
        new OptimizerConfig { BatchSize = 4, WarmupSteps = 5, EmaDecay = 0.9 }, NumberOfSteps: 20, MaxTrainingTime: null, Seed: 1, TrainingPrecision.Float32, CPU);

    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(OptimizerType.AdamW, TrainingPrecision.Float32)]
    [InlineData(OptimizerType.AdamW, TrainingPrecision.BFloat16)]
    [InlineData(OptimizerType.Muon, TrainingPrecision.Float32)]
    public void Run_gives_the_same_weights_bit_for_bit_for_one_seed(OptimizerType type, TrainingPrecision precision)
    {
        TrainingOptions options = Options with { Optimizer = Options.Optimizer with { Type = type }, Precision = precision, HorizontalFlip = true };

        Tensor first = Train(options), again = Train(options), other = Train(options with { Seed = 2 });

        Assert.True(first.isfinite().all().ToBoolean());
        TensorAssert.Close(first, again, 0);
        TensorAssert.Differ(first, other, 1e-4);
    }

    [Theory]
    [InlineData(OptimizerType.AdamW, TrainingPrecision.Float32, 0.9)]
    [InlineData(OptimizerType.AdamW, TrainingPrecision.BFloat16, 0.9)]
    [InlineData(OptimizerType.Muon, TrainingPrecision.Float32, 0)]
    public void Run_leaves_no_tensor_behind_and_a_32_bit_network(OptimizerType type, TrainingPrecision precision, double emaDecay)
    {
        TrainingOptions options = Options with { Optimizer = Options.Optimizer with { Type = type, EmaDecay = emaDecay }, Precision = precision, HorizontalFlip = true };
        Document[] mixed = [.. Pairs, new([Pairs[0].Parts[0]]), new([Pairs[0].Parts[1]]), new([.. Pairs[0].Parts, .. Pairs[1].Parts])];
        using TransfusionNetwork network = TinyNetwork.Create();
        void Run(int steps) => new TrainingLoop(network, TinyNetwork.Config, TinyNetwork.Special,
            options with { NumberOfSteps = steps, ValidationInterval = 10, Progress = new Collected() }).Run(mixed, Pairs[..3]);
        Run(2);

        LeakCheck.Holds(() => Run(50), times: 1);

        Assert.All(network.parameters(), parameter => Assert.Equal((ScalarType.Float32, true), (parameter.dtype, parameter.grad is null)));
    }

    [Fact]
    public void Run_learns()
    {
        var progress = new Collected();
        Train(Options with { NumberOfSteps = 150, ValidationInterval = 150, Progress = progress, Optimizer = Options.Optimizer with { LearningRate = 1e-2 } }, Pairs[..4], Pairs[..4]);
        var untrained = new Collected();
        Train(Options with { NumberOfSteps = 1, ValidationInterval = 1, Progress = untrained }, Pairs[..4], Pairs[..4]);

        Assert.True(progress.All[^1].ValidationLanguageLoss < 0.8 * untrained.All[^1].ValidationLanguageLoss);
        Assert.True(progress.All[^1].ValidationDiffusionLoss < untrained.All[^1].ValidationDiffusionLoss);
    }

    [Fact]
    public void Run_reports_what_it_did()
    {
        var progress = new Collected();
        Train(Options with { NumberOfSteps = 40, ValidationInterval = 10, Progress = progress }, Pairs, Pairs[..3]);

        Assert.Equal([10, 20, 30, 40], progress.All.Where(report => report.ValidationLanguageLoss is not null).Select(report => report.Step));
        Assert.Equal(progress.All.Select(report => report.Step).Order().Distinct(), progress.All.Select(report => report.Step));
        double warmup = Options.Optimizer.WarmupSteps;
        foreach (TrainingProgress report in progress.All)
        {
            Assert.Equal(report.Step / 40.0, report.Fraction, 9);
            Assert.Equal(WarmupCosineSchedule.LearningRate(Options.Optimizer, report.Step, (report.Step - warmup) / (40 - warmup)), report.LearningRate, 12);
            Assert.True(double.IsFinite(report.LanguageLoss) && double.IsFinite(report.DiffusionLoss));
            Assert.True(report.TokensPerSecond > 0 && report.Elapsed > TimeSpan.Zero && report.Remaining >= TimeSpan.Zero);
            Assert.InRange(report.Documents, report.Step, 4 * report.Step);
            Assert.InRange(report.WaitingShare, 0, 1);
            Assert.True(double.IsFinite(report.ValidationDiffusionLoss ?? 0));
        }
        TrainingProgress last = progress.All[^1];
        Assert.Equal((40, 1.0, TimeSpan.Zero), (last.Step, last.Fraction, last.Remaining));
    }

    [Fact]
    public void Run_says_that_a_loss_is_not_a_number_when_there_is_nothing_for_it()
    {
        var text = new Collected();
        Train(Options with { Progress = text }, [.. Pairs.Select(pair => new Document([pair.Parts[0]]))], []);

        Assert.True(double.IsFinite(text.All[^1].LanguageLoss));
        Assert.True(double.IsNaN(text.All[^1].DiffusionLoss));
        Assert.Null(text.All[^1].ValidationLanguageLoss);
    }

    [Fact]
    public void Run_keeps_to_its_time()
    {
        var progress = new Collected();
        var clock = Stopwatch.StartNew();
        Train(Options with { NumberOfSteps = null, MaxTrainingTime = TimeSpan.FromSeconds(1.5), Progress = progress });

        Assert.InRange(clock.Elapsed.TotalSeconds, 1.4, 4);
        Assert.Equal(1, progress.All[^1].Fraction);
        Assert.InRange(progress.All[^1].Step, 2, 100000);
        Assert.True(progress.All[^1].LearningRate < 0.2 * Options.Optimizer.LearningRate, "The learning rate falls with the time.");
    }

    [Fact]
    public void Run_ends_soon_with_a_usable_network_when_it_is_cancelled()
    {
        using var cancellation = new CancellationTokenSource();
        var progress = new Collected { OnReport = _ => cancellation.Cancel() };
        using TransfusionNetwork network = TinyNetwork.Create();
        var clock = Stopwatch.StartNew();

        new TrainingLoop(network, TinyNetwork.Config, TinyNetwork.Special, Options with { NumberOfSteps = 1_000_000, Progress = progress, CancellationToken = cancellation.Token }).Run(Pairs, []);

        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 20);
        Assert.Single(progress.All);
        Assert.False(network.training);
        Assert.True(network.Logits(ones(1, network.Config.HiddenSize)).isfinite().all().ToBoolean());
        TensorAssert.Differ(Weights(TinyNetwork.Create()), Weights(network), 1e-4);
    }

    [Fact]
    public void Run_takes_no_third_step_after_it_was_cancelled()
    {
        using var cancellation = new CancellationTokenSource();
        int steps = 0;
        TrainingOptions options = Options with { NumberOfSteps = 1_000_000, CancellationToken = cancellation.Token };

        Tensor weights = Train(options with
        {
            AfterStep = state =>
            {
                steps = state.Step;
                if (steps == 5)
                    cancellation.Cancel();
            },
        });

        Assert.InRange(steps, 5, 7);
        Assert.True(weights.isfinite().all().ToBoolean());
    }

    [Fact]
    public void Run_ends_at_once_with_the_weights_it_began_with_when_it_was_cancelled_before()
    {
        using TransfusionNetwork network = TinyNetwork.Create();

        new TrainingLoop(network, TinyNetwork.Config, TinyNetwork.Special, Options with { CancellationToken = new CancellationToken(true) }).Run(Pairs, []);

        TensorAssert.Close(Weights(TinyNetwork.Create()), Weights(network), 0);
    }

    private static Tensor Train(TrainingOptions options, Document[]? documents = null, Document[]? validation = null)
    {
        using TransfusionNetwork network = TinyNetwork.Create();
        new TrainingLoop(network, TinyNetwork.Config, TinyNetwork.Special, options).Run(documents ?? Pairs, validation ?? []);
        return Weights(network);
    }

    private static Tensor Weights(TransfusionNetwork network) =>
        cat([.. network.named_parameters().OrderBy(p => p.name, StringComparer.Ordinal).Select(p => p.parameter.detach().flatten())], 0);

    private sealed class Collected : IProgress<TrainingProgress>
    {
        public List<TrainingProgress> All { get; } = [];

        public Action<TrainingProgress>? OnReport { get; init; }

        public void Report(TrainingProgress value)
        {
            All.Add(value);
            OnReport?.Invoke(value);
        }
    }
}
