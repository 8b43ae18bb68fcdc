// A run that is stored between two steps and taken up again, against the run that was never stopped.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Tests.Training;
using Microsoft.ML.Transfusion.Tokenization;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Serialization;

public sealed class CheckpointTests : IDisposable
{
    private const int Steps = 14;
    private static readonly Document[] Pairs = TinyNetwork.Documents(12);
    private static readonly TextTokenizer Tokenizer = TextTokenizer.Train(["a red cat", "a red dog"], 260);
    private static readonly TrainingOptions Options = new(
        new OptimizerConfig { BatchSize = 4, WarmupSteps = 5, EmaDecay = 0.9 }, NumberOfSteps: Steps, MaxTrainingTime: null, Seed: 1, TrainingPrecision.Float32, CPU);

    private readonly TemporaryFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();

    private string File => _folder.File("step.checkpoint");

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    public static TheoryData<int, OptimizerType, TrainingPrecision, double, bool, bool> Runs => new()
    {
        { 1, OptimizerType.AdamW, TrainingPrecision.Float32, 0.9, false, false },
        { 4, OptimizerType.AdamW, TrainingPrecision.Float32, 0, true, false },          // within the warm-up
        { 7, OptimizerType.AdamW, TrainingPrecision.BFloat16, 0.9, true, false },
        { 7, OptimizerType.Muon, TrainingPrecision.Float32, 0.9, true, false },
        { 9, OptimizerType.Muon, TrainingPrecision.BFloat16, 0.5, false, false },
        { 9, OptimizerType.AdamW, TrainingPrecision.Float32, 0.9, true, true },
        { 9, OptimizerType.Muon, TrainingPrecision.BFloat16, 0, true, true },
        { Steps, OptimizerType.Muon, TrainingPrecision.Float32, 0.9, false, false },    // the finished run
    };

    [Theory]
    [MemberData(nameof(Runs))]
    public void A_run_that_is_taken_up_again_ends_with_the_weights_of_one_that_went_on(
        int step, OptimizerType type, TrainingPrecision precision, double emaDecay, bool flip, bool frozen)
    {
        TrainingOptions options = Options with
        {
            Optimizer = Options.Optimizer with { Type = type, EmaDecay = emaDecay },
            Precision = precision,
            HorizontalFlip = flip,
            FreezesText = frozen,
            ValidationInterval = 3,
            Progress = new Progress<TrainingProgress>(),
        };
        Tensor expected = Train(Store(options, step), Pairs, Pairs[..3]);

        Tensor actual = Train(Resume(options), Pairs, Pairs[..3]);

        TensorAssert.Close(expected, actual, 0);
        Assert.Equal(Steps, Counters(options, Pairs).Step);
    }

    [Fact]
    public void Steps_that_were_skipped_stay_skipped_and_are_counted_on()
    {
        Document broken = new([Pairs[0].Parts[0], new ImagePart(full([3, 4, 4], double.NaN).DetachFromDisposeScope())]);
        Document[] documents = [.. Pairs, broken];
        CheckpointCounters uninterrupted = Counters(Options, documents);
        for (int step = 1; step < Steps; step++)
        {
            Tensor expected = Train(Store(Options, step), documents);
            Assert.True(expected.isfinite().all().ToBoolean());

            TensorAssert.Close(expected, Train(Resume(Options), documents), 0);
            CheckpointCounters resumed = Counters(Resume(Options), documents);
            Assert.Equal(uninterrupted with { Elapsed = resumed.Elapsed, WarmedUpElapsed = resumed.WarmedUpElapsed }, resumed);
        }
        Assert.InRange(uninterrupted.SkippedSteps, 1, Steps - 1);
    }

    [Fact]
    public void A_run_that_is_taken_up_with_more_steps_learns_at_the_rates_of_the_longer_schedule()
    {
        List<double> rates = [];
        TrainingOptions longer = Options with { NumberOfSteps = 40, ValidationInterval = 1, Progress = new Immediate(report => rates.Add(report.LearningRate)) };
        Train(longer, Pairs, Pairs[..1]);
        double[] expected = [.. rates.Skip(Steps)];
        Train(Store(Options, Steps));
        rates.Clear();

        Train(Resume(longer), Pairs, Pairs[..1]);

        Assert.Equal(expected, rates);
        Assert.Equal(40 - Steps, rates.Count);
    }

    [Fact]
    public void Time_goes_on_where_it_was_so_that_only_the_rest_is_left()
    {
        TrainingOptions options = Options with { NumberOfSteps = 2 };
        Train(options with { AfterStep = state => Write(state, state.Elapsed + TimeSpan.FromHours(1)) });

        CheckpointCounters nothingLeft = Counters(Resume(options with { NumberOfSteps = null, MaxTrainingTime = TimeSpan.FromHours(1) }), Pairs);
        CheckpointCounters goesOn = Counters(Resume(options with { NumberOfSteps = 5, MaxTrainingTime = TimeSpan.FromHours(2) }), Pairs);

        Assert.Equal(2, nothingLeft.Step);
        Assert.Equal(5, goesOn.Step);
        Assert.InRange(goesOn.Elapsed, nothingLeft.Elapsed, TimeSpan.FromHours(1.1));
    }

    [Fact]
    public void Record_vocabulary_and_tensors_come_back_as_they_were_written()
    {
        List<(string Name, Tensor Value)> written = [];
        Train(Options with
        {
            AfterStep = state =>
            {
                Write(state);
                written = [.. state.Tensors().Select(tensor => (tensor.Name, tensor.Value.clone()))];
            },
            NumberOfSteps = 3,
        });
        using Checkpoint checkpoint = Checkpoint.Open(File);
        using TransfusionNetwork network = TinyNetwork.Create(2);
        using var state = new TrainingState(network, Options);
        checkpoint.Restore(state);

        Assert.Equal((3, 5), (checkpoint.Record.Counters.Step, checkpoint.Record.Seed));
        Assert.Equal("then", checkpoint.Record.Options["Name"]);
        Assert.Equal(Tokenizer.Encode("a red cat"), checkpoint.Tokenizer.Encode("a red cat"));
        Assert.Equal(written.Select(tensor => tensor.Name), state.Tensors().Select(tensor => tensor.Name));
        Assert.All(written.Zip(state.Tensors()), pair => TensorAssert.Close(pair.First.Value, pair.Second.Value, 0, pair.First.Name));
        Assert.Equal(CheckpointCounters.Of(state), checkpoint.Record.Counters);
    }

    [Fact]
    public void A_state_of_another_optimizer_is_refused_by_its_tensors_names()
    {
        Train(Store(Options, 1));
        using Checkpoint checkpoint = Checkpoint.Open(File);
        using TransfusionNetwork network = TinyNetwork.Create();
        using var state = new TrainingState(network, Options with { Optimizer = OptimizerConfig.Minutes });

        Assert.Contains("muon.0.momentum", Assert.Throws<FormatException>(() => checkpoint.Restore(state)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_checkpoint_is_no_model_and_a_model_no_checkpoint()
    {
        Train(Store(Options, 1));
        Assert.Contains("Microsoft.ML.Transfusion checkpoint", Assert.Throws<FormatException>(() => TransfusionModel.Load(File)).Message, StringComparison.Ordinal);
        TinyTraining.Transformer.Model.Save(File);
        Assert.Contains("Microsoft.ML.Transfusion model", Assert.Throws<FormatException>(() => Checkpoint.Open(File)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Storing_and_restoring_leave_no_tensor_behind()
    {
        using TransfusionNetwork network = TinyNetwork.Create();
        void Run()
        {
            foreach (TrainingOptions options in (TrainingOptions[])[Store(Options, 3), Resume(Options)])
                new TrainingLoop(network, TinyNetwork.Config, TinyNetwork.Special, options).Run(Pairs, []);
        }
        Run();
        LeakCheck.Holds(Run, times: 2);
    }

    private TrainingOptions Store(TrainingOptions options, int step) => options with
    {
        AfterStep = state =>
        {
            if (state.Step == step)
                Write(state);
        },
    };

    private TrainingOptions Resume(TrainingOptions options) => options with
    {
        Begin = state =>
        {
            using Checkpoint checkpoint = Checkpoint.Open(File);
            checkpoint.Restore(state);
        },
    };

    private void Write(TrainingState state, TimeSpan? elapsed = null)
    {
        CheckpointCounters counters = CheckpointCounters.Of(state);
        var record = new CheckpointRecord(5, new Dictionary<string, string> { ["Name"] = "then" }, "documents", null, counters with { Elapsed = elapsed ?? counters.Elapsed });
        AtomicFile.Write(File, stream => Checkpoint.Write(stream, record, Tokenizer, state));
    }

    private static CheckpointCounters Counters(TrainingOptions options, Document[] documents)
    {
        CheckpointCounters? counters = null;
        Train(options with { End = state => counters = CheckpointCounters.Of(state) }, documents);
        return counters!;
    }

    private static Tensor Train(TrainingOptions options, Document[]? documents = null, Document[]? validation = null)
    {
        using TransfusionNetwork network = TinyNetwork.Create();
        new TrainingLoop(network, TinyNetwork.Config, TinyNetwork.Special, options).Run(documents ?? Pairs, validation ?? []);
        return cat([.. network.named_parameters().OrderBy(p => p.name, StringComparer.Ordinal).Select(p => p.parameter.detach().flatten())], 0);
    }

    private sealed class Immediate(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }
}
