// Checkpoints as a program meets them: options, messages, and Fit called again after a run was cut off.
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Transfusion.Tests;

public sealed class TransfusionTrainerCheckpointTests : IDisposable
{
    private const int Steps = 8;

    private readonly TemporaryFolder _temporary = new();
    private readonly MLContext _ml = new(1);
    private readonly List<string> _warnings = [];

    public TransfusionTrainerCheckpointTests() => _ml.Log += (_, message) =>
    {
        if (message.Kind == ChannelMessageKind.Warning)
            _warnings.Add(message.RawMessage);
    };

    private string Folder => _temporary.File("run");

    private string[] Names => [.. Directory.GetFiles(Folder, "step-*").Select(Path.GetFileName).Order(StringComparer.Ordinal)!];

    private TransfusionTrainer.Options Options => TinyTraining.Options with { NumberOfSteps = Steps, CheckpointFolder = Folder, ResumeFrom = Folder, CheckpointInterval = 2 };

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Fit_after_a_cancelled_one_ends_with_the_model_that_one_run_would_have_made()
    {
        byte[] expected = Fit(Options with { CheckpointFolder = null, ResumeFrom = null });

        byte[] cancelled = FitAndCancel(Options, atStep: 3);
        Assert.Equal(["step-00000002.checkpoint", "step-00000003.checkpoint"], Names);
        byte[] resumed = Fit(Options);

        Assert.NotEqual(expected, cancelled);
        Assert.Equal(expected, resumed);
        Assert.Equal(["step-00000005.checkpoint", "step-00000007.checkpoint", "step-00000008.checkpoint"], Names);
        Assert.Empty(_warnings);
    }

    [Fact]
    public void Fit_of_a_finished_run_returns_its_model_without_a_step_and_goes_on_with_more()
    {
        byte[] finished = Fit(Options);
        DateTime written = File.GetLastWriteTimeUtc(Path.Combine(Folder, Names[^1]));
        int steps = 0;
        var progress = new Immediate(report => steps++);

        Assert.Equal(finished, Fit(Options with { Progress = progress }));
        Assert.Equal(0, steps);
        Assert.Equal(written, File.GetLastWriteTimeUtc(Path.Combine(Folder, Names[^1])));
        Assert.NotEqual(finished, Fit(Options with { Progress = progress, NumberOfSteps = Steps + 1 }));
        Assert.Equal("step-00000009.checkpoint", Names[^1]);
    }

    [Fact]
    public void Fit_goes_back_to_the_checkpoint_before_a_damaged_one_and_says_so()
    {
        byte[] expected = Fit(Options);
        string newest = Path.Combine(Folder, Names[^1]);
        byte[] damaged = File.ReadAllBytes(newest);
        damaged[damaged.Length / 2] ^= 1;
        File.WriteAllBytes(newest, damaged);

        Assert.Equal(expected, Fit(Options));

        Assert.Contains(_warnings, warning => warning.Contains(newest, StringComparison.Ordinal) && warning.Contains("damaged", StringComparison.Ordinal));
        Assert.Equal(damaged, File.ReadAllBytes(newest + ".damaged"));
        Assert.Equal("step-00000008.checkpoint", Names[^2]);
    }

    [Fact]
    public void Fit_reads_from_another_folder_without_writing_to_it()
    {
        byte[] expected = Fit(Options with { ResumeFrom = null, NumberOfSteps = Steps });
        foreach (string name in Names)
            File.WriteAllBytes(Path.Combine(Folder, name), name == Names[0] ? File.ReadAllBytes(Path.Combine(Folder, name)) : [1, 2, 3]);
        string[] names = Names;

        Assert.Equal(expected, Fit(Options with { CheckpointFolder = null }));
        Assert.Equal(expected, Fit(Options with { CheckpointFolder = _temporary.File("other") }));

        Assert.Equal(names, Names);
        Assert.Equal([1, 2, 3], File.ReadAllBytes(Path.Combine(Folder, Names[^1])));
        Assert.True(File.Exists(_temporary.File("other/step-00000008.checkpoint")));
    }

    [Fact]
    public void A_folder_without_a_checkpoint_is_refused_unless_the_run_keeps_its_own_there()
    {
        Directory.CreateDirectory(_temporary.File("empty"));
        foreach (string name in (string[])["none", "empty"])
        {
            var missing = Assert.Throws<ArgumentException>(() => Fit(Options with { ResumeFrom = _temporary.File(name) }));
            Assert.Contains(name, missing.Message, StringComparison.Ordinal);
        }
        Fit(Options with { ResumeFrom = Path.Combine(_temporary.Path, ".", "run") + Path.DirectorySeparatorChar });
        var occupied = Assert.Throws<ArgumentException>(() => Fit(Options with { ResumeFrom = null }));
        Assert.Contains($"up to step {Steps}", occupied.Message, StringComparison.Ordinal);
        Assert.Equal(3, Names.Length);
    }

    [Fact]
    public void Options_that_make_it_another_run_are_refused_together_by_name_with_both_values()
    {
        Fit(Options);
        TransfusionTrainer.Options changed = Options with
        {
            Seed = 2,
            Precision = TrainingPrecision.BFloat16,
            HorizontalFlip = true,
            Tokenizer = TokenizerConfig.TrainOnText(300),
            Transformer = Options.Transformer with { HiddenSize = 64, RopeScaling = new RopeScaling { Factor = 3 } },
            Image = Options.Image with { PatchSize = 8 },
            Diffusion = Options.Diffusion with { Prediction = PredictionType.Velocity },
            Optimizer = Options.Optimizer with { Type = OptimizerType.Muon, BatchSize = 5, Beta2 = 0.9, EmaDecay = 0 },
        };
        var watched = new Data.WatchedView(TinyTraining.View(_ml, TinyTraining.Rows()));
        string message = Assert.Throws<InvalidOperationException>(() => _ml.Generation.Trainers.Transfusion(changed).Fit(watched)).Message;
        Assert.All((string[])
        [
            "Seed: 1 then, 2 now", "Precision: Float32 then, BFloat16 now", "HorizontalFlip: False then, True now",
            "Tokenizer: trained on the text, 256 tokens then, trained on the text, 300 tokens now",
            "Transformer.HiddenSize: 32 then, 64 now", "Transformer.RopeScaling.Factor: null then, 3 now", "Image.PatchSize: 4 then, 8 now",
            "Diffusion.Prediction: Epsilon then, Velocity now", "Optimizer.Type: AdamW then, Muon now", "Optimizer.BatchSize: 4 then, 5 now",
            "Optimizer.Beta2: 0.95 then, 0.9 now", "Optimizer.EmaDecay: 0.998 then, 0 now", Folder,
        ], part => Assert.Contains(part, message, StringComparison.Ordinal));
        Assert.DoesNotContain("NumberOfLayers", message, StringComparison.Ordinal);
        Assert.Empty(watched.AskedFor);
    }

    [Fact]
    public void Options_of_steps_to_come_may_change()
    {
        Fit(Options);
        byte[] model = Fit(Options with
        {
            NumberOfSteps = Steps + 4,
            MaxTrainingTime = TimeSpan.FromHours(1),
            ValidationSet = TinyTraining.View(_ml, TinyTraining.Rows(2)),
            ValidationInterval = 1,
            Optimizer = Options.Optimizer with { LearningRate = 1e-4, FinalLearningRateRatio = 0.5, WarmupSteps = 20, MaxGradientNorm = 0.5, WeightDecay = 0 },
            Generation = GenerationOptions.Fast with { NumberOfInferenceSteps = 3 },
            ScoringBatchSize = 3,
            CheckpointInterval = 1,
            NumberOfCheckpoints = 1,
        });
        Assert.NotEmpty(model);
        Assert.Equal(["step-00000012.checkpoint"], Names);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Other_training_data_is_refused(bool otherPictures)
    {
        Fit(Options);
        List<PictureRow> rows = TinyTraining.Rows(otherPictures ? 10 : 9);
        if (otherPictures)
            rows[4].Image = TinyTraining.Picture(40);
        string message = Assert.Throws<InvalidOperationException>(() => _ml.Generation.Trainers.Transfusion(Options).Fit(TinyTraining.View(_ml, rows))).Message;
        Assert.Contains("The training data: 10 with fingerprint", message, StringComparison.Ordinal);
        Assert.Contains($"then, {rows.Count} with fingerprint", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_frozen_text_path_comes_from_its_own_folder_again_and_must_be_the_same()
    {
        TinyTraining.Transformer.Model.ExportLlama(_temporary.File("text"));
        TransfusionTrainer.Options frozen = Options with { InitializeFrom = _temporary.File("text"), FreezeTextPath = true };
        byte[] expected = Fit(frozen with { CheckpointFolder = null, ResumeFrom = null });
        FitAndCancel(frozen, atStep: 5);

        using (TransfusionTransformer other = _ml.Generation.Trainers.Transfusion(TinyTraining.Options with { Seed = 3 }).Fit(TinyTraining.View(_ml, TinyTraining.Rows())))
            other.Model.ExportLlama(_temporary.File("other"));
        string message = Assert.Throws<InvalidOperationException>(() => Fit(frozen with { InitializeFrom = _temporary.File("other") })).Message;
        Assert.Contains("The frozen weights", message, StringComparison.Ordinal);
        Assert.Equal(expected, Fit(frozen));
    }

    [Fact]
    public void A_seed_that_nobody_chose_is_the_checkpoints()
    {
        var unseeded = new MLContext();
        byte[] first = Fit(Options, unseeded);
        File.Delete(Path.Combine(Folder, Names[^1]));
        Assert.Equal(first, Fit(Options, new MLContext()));
    }

    [Fact]
    public void Training_goes_on_when_a_checkpoint_cannot_be_written_and_says_so()
    {
        byte[] expected = Fit(Options with { CheckpointFolder = null, ResumeFrom = null });
        byte[] actual = Fit(Options with
        {
            ValidationSet = TinyTraining.View(_ml, TinyTraining.Rows(1)),
            ValidationInterval = 1,
            Progress = new Immediate(report =>
            {
                if (report.Step == 3)
                    Directory.Delete(Folder, recursive: true);
                else if (report.Step == 5)
                    Directory.CreateDirectory(Folder);
            }),
        });
        Assert.Equal(expected, actual);
        Assert.Contains("step 4", Assert.Single(_warnings), StringComparison.Ordinal);
        Assert.Equal(["step-00000006.checkpoint", "step-00000008.checkpoint"], Names);
    }

    [Fact]
    public void A_context_whose_execution_is_cancelled_leaves_a_checkpoint_too()
    {
        byte[] expected = Fit(Options with { CheckpointFolder = null, ResumeFrom = null });
        TransfusionTrainer.Options cancelling = Options with
        {
            ValidationSet = TinyTraining.View(_ml, TinyTraining.Rows(1)),
            ValidationInterval = 1,
            Progress = new Immediate(report => throw new OperationCanceledException()),
        };
        Assert.Throws<OperationCanceledException>(() => Fit(cancelling));
        Assert.Equal(["step-00000001.checkpoint"], Names);
        Assert.Equal(expected, Fit(Options));
    }

    [Fact]
    public void Checkpoints_are_written_by_time()
    {
        Fit(Options with { CheckpointInterval = null, CheckpointTimeInterval = TimeSpan.FromTicks(1), NumberOfCheckpoints = 100 });
        Assert.Equal(Steps, Names.Length);
        Directory.Delete(Folder, recursive: true);
        Fit(Options with { CheckpointInterval = null, CheckpointTimeInterval = null, NumberOfCheckpoints = 100 });
        Assert.Equal(["step-00000008.checkpoint"], Names);
    }

    [Fact]
    public void Constructor_names_a_checkpoint_option_that_is_wrong()
    {
        foreach ((string option, TransfusionTrainer.Options options) in ((string, TransfusionTrainer.Options)[])
        [
            ("CheckpointFolder", Options with { CheckpointFolder = " " }), ("ResumeFrom", Options with { ResumeFrom = "" }),
            ("CheckpointInterval", Options with { CheckpointInterval = 0 }), ("CheckpointTimeInterval", Options with { CheckpointTimeInterval = TimeSpan.Zero }),
            ("NumberOfCheckpoints", Options with { NumberOfCheckpoints = 0 }),
        ])
            Assert.Equal(option, Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Generation.Trainers.Transfusion(options)).ParamName);
    }

    private byte[] Fit(TransfusionTrainer.Options options, MLContext? ml = null)
    {
        ml ??= _ml;
        using TransfusionTransformer transformer = ml.Generation.Trainers.Transfusion(options).Fit(TinyTraining.View(ml, TinyTraining.Rows()));
        using var stream = new MemoryStream();
        transformer.Model.Save(stream);
        return stream.ToArray();
    }

    private byte[] FitAndCancel(TransfusionTrainer.Options options, int atStep)
    {
        using var source = new CancellationTokenSource();
        return Fit(options with
        {
            CancellationToken = source.Token,
            ValidationSet = TinyTraining.View(_ml, TinyTraining.Rows(1)),      // every step is reported
            ValidationInterval = 1,
            Progress = new Immediate(report =>
            {
                if (report.Step == atStep)
                    source.Cancel();
            }),
        });
    }

    private sealed class Immediate(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }
}
