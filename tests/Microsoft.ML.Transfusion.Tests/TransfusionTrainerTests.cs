// The trainer around the engine: options, schema, device, seed, progress, messages, cancellation.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using TorchSharp;

namespace Microsoft.ML.Transfusion.Tests;

public class TransfusionTrainerTests
{
    private readonly MLContext _ml = new(1);

    public static TheoryData<string, TransfusionTrainer.Options> BadOptions
    {
        get
        {
            TransfusionTrainer.Options good = TinyTraining.Options;
            return new()
            {
                { "Image.ImageHeight", good with { Image = good.Image with { ImageHeight = 10 } } },
                { "Image.ImageWidth", good with { Image = good.Image with { ImageWidth = -4 } } },
                { "Image.PatchSize", good with { Image = good.Image with { PatchSize = 0 } } },
                { "Transformer.HiddenSize", good with { Transformer = good.Transformer with { HiddenSize = 33 } } },
                { "Transformer.HiddenSize", good with { Transformer = good.Transformer with { HiddenSize = 6 } } },
                { "Transformer.NumberOfHeads", good with { Transformer = good.Transformer with { NumberOfHeads = 0 } } },
                { "Transformer.NumberOfKeyValueHeads", good with { Transformer = good.Transformer with { NumberOfHeads = 4, NumberOfKeyValueHeads = 3 } } },
                { "Transformer.AttentionHeadSize", good with { Transformer = good.Transformer with { AttentionHeadSize = 7 } } },
                { "Transformer.RopeScaling.HighFrequencyFactor", good with { Transformer = good.Transformer with { RopeScaling = new() { HighFrequencyFactor = 1 } } } },
                { "FreezeTextPath", good with { FreezeTextPath = true } },
                { "InitializeFrom", good with { InitializeFrom = "" } },
                { "InitializeFrom is /no/such/folder", good with { InitializeFrom = "/no/such/folder" } },
                { "Transformer.NumberOfLayers", good with { Transformer = good.Transformer with { NumberOfLayers = 0 } } },
                { "Diffusion.ImageFirstShare", good with { Diffusion = good.Diffusion with { ImageFirstShare = 1.5 } } },
                { "Diffusion.DiffusionLossWeight", good with { Diffusion = good.Diffusion with { DiffusionLossWeight = double.NaN } } },
                { "Diffusion.NumberOfTrainTimesteps", good with { Diffusion = good.Diffusion with { NumberOfTrainTimesteps = 0 } } },
                { "Diffusion.TimestepMean", good with { Diffusion = good.Diffusion with { TimestepMean = double.NaN } } },
                { "Diffusion.TimestepSpread", good with { Diffusion = good.Diffusion with { TimestepSpread = 0 } } },
                { "Diffusion.BetaStart", good with { Diffusion = good.Diffusion with { BetaStart = 0.001 } } },
                { "Diffusion.BetaEnd", good with { Diffusion = good.Diffusion with { Schedule = NoiseScheduleType.Linear, BetaStart = 0.03, BetaEnd = 0.02 } } },
                { "Diffusion.Prediction", good with { Diffusion = new DiffusionConfig { ZeroTerminalSnr = true } } },
                { "Diffusion.Prediction", good with { Diffusion = new DiffusionConfig { Objective = DiffusionObjective.FlowMatching } } },
                { "Diffusion.LossTarget", good with { Diffusion = DiffusionConfig.Flow with { LossTarget = PredictionType.Sample } } },
                { "Diffusion.Schedule", good with { Diffusion = DiffusionConfig.Flow with { Schedule = NoiseScheduleType.Linear } } },
                { "Diffusion.BetaStart", good with { Diffusion = DiffusionConfig.Flow with { BetaStart = 0.1 } } },
                { "Diffusion.ZeroTerminalSnr", good with { Diffusion = DiffusionConfig.Flow with { ZeroTerminalSnr = true } } },
                { "Generation.Sampler", good with { Diffusion = DiffusionConfig.Flow, Generation = GenerationOptions.Paper } },
                { "Generation.NumberOfImageCandidates", good with { ColumnNames = ["A", "B"], Generation = new() { NumberOfImageCandidates = 2 } } },
                { "Optimizer.LearningRate", good with { Optimizer = good.Optimizer with { LearningRate = 0 } } },
                { "Optimizer.BatchSize", good with { Optimizer = good.Optimizer with { BatchSize = 0 } } },
                { "Optimizer.EmaDecay", good with { Optimizer = good.Optimizer with { EmaDecay = 1 } } },
                { "NumberOfSteps", good with { NumberOfSteps = 0 } },
                { "MaxTrainingTime", good with { MaxTrainingTime = TimeSpan.Zero } },
                { "NumberOfValidationCaptions", good with { NumberOfValidationCaptions = -1 } },
                { "SampleInterval", good with { SampleInterval = 0, TensorBoardFolder = "runs" } },
                { "neither Progress nor TensorBoardFolder", good with { SampleInterval = 5 } },
                { "NumberOfSamples", good with { NumberOfSamples = 0 } },
                { "TensorBoardFolder", good with { TensorBoardFolder = " " } },
                { "TensorBoardFolder", good with { TensorBoardFolder = typeof(TransfusionTrainerTests).Assembly.Location } },
                { "ScoringBatchSize", good with { ScoringBatchSize = 0 } },
                { "CacheMemory", good with { CacheMemory = -1 } },
                { "CacheFolder is /no/such/folder", good with { CacheFolder = "/no/such/folder" } },
                { "TextColumnName", good with { TextColumnName = "" } },
                { "ColumnNames", good with { ColumnNames = ["A", "A"] } },
                { "ColumnNames", good with { ColumnNames = [] } },
                { "ScoreColumnName", good with { ScoreColumnName = "GeneratedText" } },
                { "Transformer.MaxSequenceLength", good with { Transformer = good.Transformer with { MaxSequenceLength = 7 } } },
                { "Generation.NumberOfInferenceSteps", good with { Generation = good.Generation with { NumberOfInferenceSteps = 2000 } } },
                { "TopP", good with { Generation = good.Generation with { TopP = 0 } } },
                { "Tokenizer", good with { Tokenizer = null! } },
            };
        }
    }

    [Theory]
    [MemberData(nameof(BadOptions), DisableDiscoveryEnumeration = true)]
    public void Constructor_names_the_option_that_is_wrong(string option, TransfusionTrainer.Options options)
    {
        var error = Assert.ThrowsAny<ArgumentException>(() => _ml.Generation.Trainers.Transfusion(options));
        Assert.Contains(option, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Constructor_says_which_size_would_fit_the_patch()
    {
        var image = new ImageCodecConfig { ImageHeight = 30, ImageWidth = 32, PatchSize = 8 };
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Generation.Trainers.Transfusion(image: image));
        Assert.Equal(30, error.ActualValue);
        Assert.Contains("Image.ImageHeight is 30; it must be a multiple of PatchSize (8), such as 24.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Fit_and_GetOutputSchema_refuse_data_without_the_columns()
    {
        IDataView data = _ml.Data.LoadFromEnumerable([new { Caption = "a", Photo = "b.png" }]);
        TransfusionTrainer trainer = _ml.Generation.Trainers.Transfusion();
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => trainer.Fit(data));
        Assert.Equal("inputSchema", error.ParamName);
        Assert.Contains("'Image' was not found", error.Message, StringComparison.Ordinal);
        var chain = _ml.Transforms.CopyColumns("Image", "Photo").Append(trainer);
        Assert.Contains("Append LoadImages first", Assert.Throws<ArgumentOutOfRangeException>(() => chain.Fit(data)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>(() => trainer.Fit(null!));
    }

    [Fact]
    public void Fit_refuses_a_validation_set_without_the_columns_before_it_reads_anything()
    {
        TransfusionTrainer.Options options = TinyTraining.Options with { ValidationSet = _ml.Data.LoadFromEnumerable([new { Caption = "a" }]) };
        var watched = new Data.WatchedView(TinyTraining.View(_ml, TinyTraining.Rows()));
        Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Generation.Trainers.Transfusion(options).Fit(watched));
        Assert.Empty(watched.AskedFor);
    }

    [SkippableFact]
    public void Fit_refuses_an_absent_gpu_unless_the_context_falls_back()
    {
        Skip.If(torch.cuda.is_available(), "This machine has a GPU.");
        _ml.GpuDeviceId = 0;
        TransfusionTrainer trainer = _ml.Generation.Trainers.Transfusion(TinyTraining.Options);
        IDataView data = TinyTraining.View(_ml, TinyTraining.Rows());
        var error = Assert.Throws<InvalidOperationException>(() => trainer.Fit(data));
        Assert.Contains("GpuDeviceId is 0", error.Message, StringComparison.Ordinal);
        Assert.Contains("FallbackToCpu", error.Message, StringComparison.Ordinal);
        List<string> messages = Messages(ChannelMessageKind.Warning);
        _ml.FallbackToCpu = true;
        trainer.Fit(data).Dispose();
        Assert.Contains(messages, message => message.Contains("The CPU is used instead", StringComparison.Ordinal));
    }

    [Fact]
    public void Fit_with_one_seed_gives_one_model_and_with_another_another()
    {
        byte[] first = Weights(TinyTraining.Options with { Seed = 5 });
        Assert.Equal(first, Weights(TinyTraining.Options with { Seed = 5 }));
        Assert.NotEqual(first, Weights(TinyTraining.Options with { Seed = 6 }));
        Assert.Equal(Weights(TinyTraining.Options), Weights(TinyTraining.Options with { Seed = 1 }));    // the context's
    }

    [Fact]
    public void Fit_gives_the_same_model_wherever_the_data_are_kept_and_leaves_no_file()
    {
        using var folder = new TemporaryFolder();
        TransfusionTrainer.Options options = TinyTraining.Options with { NumberOfSteps = 12, HorizontalFlip = true, ValidationSet = TinyTraining.View(_ml, TinyTraining.Rows(3)) };
        byte[] inMemory = Weights(options);
        List<string> messages = Messages(ChannelMessageKind.Info);

        Assert.Equal(inMemory, Weights(options with { CacheMemory = 0, CacheFolder = folder.Path }));
        Assert.Contains("The data take 0 MiB of memory and 1 MiB of disk.", messages);
        Assert.Equal(inMemory, Weights(options with { CacheMemory = 1000, CacheFolder = folder.Path }));
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void Fit_reads_every_row_once_however_often_it_is_trained_on()
    {
        int read = 0;
        IEnumerable<PictureRow> Rows()
        {
            foreach (PictureRow row in TinyTraining.Rows())
            {
                read++;
                yield return row;
            }
        }
        _ml.Generation.Trainers.Transfusion(TinyTraining.Options with { NumberOfSteps = 20 }).Fit(TinyTraining.View(_ml, Rows())).Dispose();

        Assert.Equal(10, read);
    }

    [Fact]
    public void Fit_reports_progress_and_writes_messages()
    {
        List<string> messages = Messages(ChannelMessageKind.Info);
        var reports = new List<TrainingProgress>();
        TransfusionTrainer.Options options = TinyTraining.Options with
        {
            Progress = new ImmediateProgress(reports.Add),
            ValidationSet = TinyTraining.View(_ml, TinyTraining.Rows(3)),
        };
        _ml.Generation.Trainers.Transfusion(options).Fit(TinyTraining.View(_ml, TinyTraining.Rows())).Dispose();
        TrainingProgress last = reports[^1];
        Assert.Equal((3, 1.0), (last.Step, last.Fraction));
        Assert.True(double.IsFinite(last.LanguageLoss) && double.IsFinite(last.DiffusionLoss) && last.ValidationLanguageLoss > 0);
        Assert.Contains("Read 10 rows of the training data.", messages);
        Assert.Contains("Read 3 rows of the validation set.", messages);
        Assert.Contains(messages, message => message.StartsWith("Step 3, 100", StringComparison.Ordinal));
    }

    [Fact]
    public void Cancellation_while_training_returns_the_model_so_far_and_before_it_throws()
    {
        using var source = new CancellationTokenSource();
        int steps = 0;
        TransfusionTrainer.Options options = TinyTraining.Options with
        {
            NumberOfSteps = 1_000_000,
            CancellationToken = source.Token,
            Progress = new ImmediateProgress(report =>
            {
                steps = report.Step;
                source.Cancel();
            }),
        };
        IDataView data = TinyTraining.View(_ml, TinyTraining.Rows());
        using TransfusionTransformer transformer = _ml.Generation.Trainers.Transfusion(options).Fit(data);
        Assert.InRange(steps, 1, 999_999);
        Assert.Equal(10, TinyTraining.Read(_ml, transformer.Transform(data)).Count);
        Assert.ThrowsAny<OperationCanceledException>(() => _ml.Generation.Trainers.Transfusion(options).Fit(data));
    }

    [Fact]
    public void Time_limit_ends_training()
    {
        TransfusionTrainer.Options options = TinyTraining.Options with { NumberOfSteps = null, MaxTrainingTime = TimeSpan.FromSeconds(0.3) };
        using TransfusionTransformer transformer = _ml.Generation.Trainers.Transfusion(options).Fit(TinyTraining.View(_ml, TinyTraining.Rows()));
        Assert.NotNull(transformer.Model);
    }

    [Fact]
    public void Rows_of_text_alone_or_pictures_alone_train_beside_pairs()
    {
        List<PictureRow> rows = TinyTraining.Rows(6);
        rows[1].Caption = rows[4].Caption = null;
        rows[2].Image = null;
        using TransfusionTransformer transformer = _ml.Generation.Trainers.Transfusion(TinyTraining.Options).Fit(TinyTraining.View(_ml, rows));
        List<GeneratedRow> outputs = TinyTraining.Read(_ml, transformer.Transform(TinyTraining.View(_ml, rows)));
        Assert.Null(outputs[1].GeneratedImage);
        Assert.Equal("", outputs[2].GeneratedText);
        Assert.True(float.IsNaN(outputs[2].Score![1]) && float.IsFinite(outputs[2].Score![0]));
        Assert.All(outputs[0].Score!, value => Assert.True(float.IsFinite(value)));
    }

    [Fact]
    public void Documents_of_three_columns_generate_the_last_one()
    {
        IDataView data = _ml.Data.LoadFromEnumerable(Enumerable.Range(0, 4).Select(i => new EditRow
        {
            Instruction = $"i{i}",
            Source = TinyTraining.Picture(i),
            Edited = TinyTraining.Picture(i + 1),
        }));
        TransfusionTrainer.Options options = TinyTraining.Options with { ColumnNames = ["Instruction", "Source", "Edited"], NumberOfSteps = 60, Optimizer = TinyTraining.Options.Optimizer with { EmaDecay = 0 } };
        using TransfusionTransformer transformer = _ml.Generation.Trainers.Transfusion(options).Fit(data);
        DataViewSchema schema = transformer.GetOutputSchema(data.Schema);
        Assert.Null(schema.GetColumnOrNull("GeneratedText"));
        Assert.Equal(4, _ml.Data.CreateEnumerable<GeneratedEdit>(transformer.Transform(data), false).Count(row => row.GeneratedImage is { Width: 8 }));
    }

    [Fact]
    public void Fit_keeps_no_tensor_of_the_data_even_when_it_fails()
    {
        List<PictureRow> rows = TinyTraining.Rows();
        rows[9].Caption = new string('x', 100);
        TransfusionTrainer trainer = _ml.Generation.Trainers.Transfusion(TinyTraining.Options);
        LeakCheck.Holds(() => Assert.Throws<InvalidOperationException>(() => trainer.Fit(TinyTraining.View(_ml, rows))), times: 3);
    }

    private byte[] Weights(TransfusionTrainer.Options options)
    {
        using TransfusionTransformer transformer = _ml.Generation.Trainers.Transfusion(options).Fit(TinyTraining.View(_ml, TinyTraining.Rows()));
        using var stream = new MemoryStream();
        transformer.Model.Save(stream);
        return stream.ToArray();
    }

    private List<string> Messages(ChannelMessageKind kind)
    {
        List<string> messages = [];
        _ml.Log += (_, e) =>
        {
            if (e.Kind == kind)
                messages.Add(e.RawMessage);
        };
        return messages;
    }

    private sealed class ImmediateProgress(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }

    private sealed class EditRow
    {
        public string? Instruction { get; set; }

        [Transforms.Image.ImageType(8, 8)]
        public MLImage? Source { get; set; }

        [Transforms.Image.ImageType(8, 8)]
        public MLImage? Edited { get; set; }
    }

    private sealed class GeneratedEdit
    {
        [Transforms.Image.ImageType(8, 8)]
        public MLImage? GeneratedImage { get; set; }
    }
}
