// Experiments on tiny data: budgets are steps, so that every run repeats itself.
using Microsoft.ML.Data;

namespace Microsoft.ML.Transfusion.Tests;

public class GenerationExperimentTests
{
    private readonly MLContext _ml = new(1);

    private static TransfusionTrainer.Options Options => TinyTraining.Options with { NumberOfSteps = null, Seed = 1 };

    private static GenerationExperimentSettings Settings => new()
    {
        Options = Options,
        MaxExperimentSteps = 60,
        Candidates = [Candidate("still", 1e-9), Candidate("moving", 1e-2), Candidate("slow", 1e-4)],
    };

    public static TheoryData<string, GenerationExperimentSettings> BadSettings => new()
    {
        { "MaxExperimentTime", Settings with { MaxExperimentTime = TimeSpan.Zero } },
        { "MaxModels", Settings with { MaxModels = 0 } },
        { "ValidationFraction", Settings with { ValidationFraction = 1 } },
        { "Candidates", Settings with { Candidates = [] } },
        { "Options", Settings with { Options = null! } },
        { "Options' sets NumberOfSteps", Settings with { Options = TinyTraining.Options } },
        { "'a' sets MaxTrainingTime", Settings with { Candidates = [new("a", Options with { MaxTrainingTime = TimeSpan.FromSeconds(1) })] } },
        { "'a' has Image", Settings with { Candidates = [new("a", Options with { Image = new ImageCodecConfig { ImageHeight = 16, ImageWidth = 16, PatchSize = 4 } })] } },
        { "'a' has TextColumnName Text", Settings with { Candidates = [new("a", Options with { TextColumnName = "Text" })] } },
        { "Optimizer.BatchSize", Settings with { Candidates = [new("a", Options with { Optimizer = Options.Optimizer with { BatchSize = 0 } })] } },
    };

    [Theory]
    [MemberData(nameof(BadSettings), DisableDiscoveryEnumeration = true)]
    public void CreateExperiment_names_what_is_wrong(string name, GenerationExperimentSettings settings) =>
        Assert.Contains(name, Assert.ThrowsAny<ArgumentException>(() => _ml.Generation.CreateExperiment(settings)).Message, StringComparison.Ordinal);

    [Fact]
    public void The_best_run_is_the_one_with_the_least_score_and_every_run_is_reported_once()
    {
        List<TransfusionRunDetail> reported = [];

        GenerationExperimentResult result = Execute(Settings, new Reports(reported.Add));

        using var model = (IDisposable)result.BestRun.Model!;
        Assert.Equal(["still", "moving", "slow"], result.RunDetails.Take(3).Select(run => run.TrainerName));
        Assert.Equal("moving", result.RunDetails[^1].TrainerName);
        Assert.Equal(result.RunDetails.MinBy(run => run.ValidationMetrics!.Score), result.BestRun);
        Assert.Single(result.RunDetails, run => run.Model is not null);
        Assert.Equal(result.RunDetails.Select(run => run with { Model = null }), reported);
        Assert.Equal(60, result.RunDetails.Sum(run => run.Steps));
        Assert.All(result.RunDetails, run => Assert.Equal(run.Steps, run.Options.NumberOfSteps));
        IDataView data = TinyTraining.View(_ml, TinyTraining.Rows());
        Assert.Equal(10, TinyTraining.Read(_ml, result.BestRun.Model!.Transform(data)).Count);
    }

    [Fact]
    public void One_seed_gives_one_result_and_the_best_run_can_be_repeated()
    {
        IDataView data = TinyTraining.View(_ml, TinyTraining.Rows(40)), validation = TinyTraining.View(_ml, TinyTraining.Rows(5));
        GenerationExperiment experiment = _ml.Generation.CreateExperiment(Settings);

        GenerationExperimentResult first = experiment.Execute(data, validation), second = experiment.Execute(data, validation);

        using var model = (TransfusionTransformer)first.BestRun.Model!;
        ((IDisposable)second.BestRun.Model!).Dispose();
        Assert.Equal(first.RunDetails.Select(run => run.ValidationMetrics), second.RunDetails.Select(run => run.ValidationMetrics));
        using var again = (TransfusionTransformer)first.BestRun.Estimator.Fit(data);
        Assert.Equal(Bytes(model), Bytes(again));
    }

    [Fact]
    public void A_failing_candidate_keeps_its_exception_and_does_not_end_the_experiment()
    {
        GenerationExperimentResult result = Execute(Settings with { MaxExperimentSteps = 500, Candidates = [Candidate("exploding", 1e30), Candidate("moving", 1e-2)] });

        ((IDisposable)result.BestRun.Model!).Dispose();
        Assert.Contains("not finite", Assert.IsType<InvalidOperationException>(result.RunDetails[0].Exception).Message, StringComparison.Ordinal);
        Assert.Null(result.RunDetails[0].ValidationMetrics);
        Assert.Equal("moving", result.BestRun.TrainerName);
    }

    [Fact]
    public void Execute_throws_when_every_candidate_fails()
    {
        GenerationExperimentSettings settings = Settings with { MaxExperimentSteps = 500, Candidates = [Candidate("exploding", 1e30), Candidate("bursting", 1e29)] };

        var error = Assert.Throws<InvalidOperationException>(() => Execute(settings));

        Assert.Contains("exploding: The loss", error.Message, StringComparison.Ordinal);
        Assert.Contains("bursting: The loss", error.Message, StringComparison.Ordinal);
        Assert.Equal(2, Assert.IsType<AggregateException>(error.InnerException).InnerExceptions.Count);
    }

    [Fact]
    public void Cancellation_gives_the_best_so_far_and_before_the_first_step_it_throws()
    {
        using var source = new CancellationTokenSource();
        GenerationExperimentSettings settings = Settings with
        {
            MaxExperimentSteps = 1_000_000,
            MaxModels = 1,
            CancellationToken = source.Token,
            Candidates = [Candidate("moving", 1e-2) with { Options = Candidate("moving", 1e-2).Options with { Progress = new Progress(_ => source.Cancel()) } }],
        };

        GenerationExperimentResult result = Execute(settings);

        ((IDisposable)result.BestRun.Model!).Dispose();
        Assert.InRange(result.BestRun.Steps, 1, 999_999);
        Assert.True(result.BestRun.ValidationMetrics!.Score > 0);
        Assert.ThrowsAny<OperationCanceledException>(() => Execute(settings));
    }

    [Fact]
    public void The_data_are_read_once_and_the_pre_featurizer_becomes_a_part_of_the_model()
    {
        List<NamedRow> rows = [.. TinyTraining.Rows(20).Select(row => new NamedRow { Text = row.Caption, Image = row.Image })];
        var train = new Data.WatchedView(_ml.Data.LoadFromEnumerable(rows));
        var validation = new Data.WatchedView(_ml.Data.LoadFromEnumerable(rows.Take(4)));

        GenerationExperimentResult result = _ml.Generation.CreateExperiment(Settings).Execute(train, validation, _ml.Transforms.CopyColumns("Caption", "Text"));

        using var model = (IDisposable)result.BestRun.Model!;
        Assert.True(result.RunDetails.Count > 3);
        Assert.Equal((1, 1), (train.Opened, validation.Opened));
        IDataView scored = result.BestRun.Model!.Transform(_ml.Data.LoadFromEnumerable(rows));
        Assert.Equal(20, scored.GetColumn<string>("GeneratedText").Count());
        Assert.IsType<TransfusionModel>(_ml.Generation.GetModel(result.BestRun.Model));
    }

    [Fact]
    public void Time_ends_an_experiment()
    {
        GenerationExperimentResult result = Execute(Settings with { MaxExperimentSteps = null, MaxExperimentTime = TimeSpan.FromSeconds(1) });

        ((IDisposable)result.BestRun.Model!).Dispose();
        Assert.Equal("still", Assert.Single(result.RunDetails).TrainerName);
        Assert.NotNull(result.BestRun.Options.MaxTrainingTime);
    }

    [Fact]
    public void Reading_that_takes_all_the_time_is_told()
    {
        var error = Assert.Throws<InvalidOperationException>(() => Execute(Settings with { MaxExperimentSteps = null, MaxExperimentTime = TimeSpan.FromTicks(1) }));
        Assert.Contains("MaxExperimentTime", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_experiment_keeps_no_tensor_but_the_best_model() => LeakCheck.Holds(() =>
        ((IDisposable)Execute(Settings with { Candidates = [Candidate("exploding", 1e30), Candidate("moving", 1e-2), Candidate("slow", 1e-4)] }).BestRun.Model!).Dispose(), times: 3);

    [Fact]
    public void Presets_are_recipes_that_any_trainer_takes_and_differ()
    {
        IReadOnlyList<GenerationCandidate> presets = GenerationCandidate.Presets(Options);

        Assert.Equal((DiffusionConfig.Minutes, OptimizerConfig.Minutes), (presets[0].Options.Diffusion, presets[0].Options.Optimizer));
        Assert.Equal(Options, presets[^1].Options);
        Assert.Equal(presets.Count, presets.Select(preset => preset.Options).Distinct().Count());
        Assert.All(presets, preset => _ml.Generation.Trainers.Transfusion(preset.Options));
        Assert.All(GenerationCandidate.Presets(Options with { Generation = GenerationOptions.Paper }), preset => _ml.Generation.Trainers.Transfusion(preset.Options));
        Assert.Equal(presets.Count - 1, GenerationCandidate.Presets(presets[0].Options).Count);
    }

    private GenerationExperimentResult Execute(GenerationExperimentSettings settings, IProgress<TransfusionRunDetail>? progress = null) =>
        _ml.Generation.CreateExperiment(settings).Execute(TinyTraining.View(_ml, TinyTraining.Rows(40)), progressHandler: progress);

    private static GenerationCandidate Candidate(string name, double learningRate) =>
        new(name, Options with { Optimizer = Options.Optimizer with { LearningRate = learningRate, EmaDecay = 0 } });

    private static byte[] Bytes(TransfusionTransformer transformer)
    {
        using var stream = new MemoryStream();
        transformer.Model.Save(stream);
        return stream.ToArray();
    }

    private sealed class NamedRow
    {
        public string? Text { get; set; }

        [Transforms.Image.ImageType(8, 8)]
        public MLImage? Image { get; set; }
    }

    private sealed class Progress(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }

    private sealed class Reports(Action<TransfusionRunDetail> report) : IProgress<TransfusionRunDetail>
    {
        public void Report(TransfusionRunDetail value) => report(value);
    }
}
