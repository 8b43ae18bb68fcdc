// What a running Fit shows: samples, captions of the validation set, TensorBoard's files, the summary at the end.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Tests.Data;

namespace Microsoft.ML.Transfusion.Tests;

public class TrainingReportTests
{
    private readonly MLContext _ml = new(1);
    private readonly List<TrainingProgress> _reports = [];

    private TransfusionTrainer.Options Options => TinyTraining.Options with
    {
        NumberOfSteps = 12,
        ValidationSet = TinyTraining.View(_ml, TinyTraining.Rows(5)),
        ValidationInterval = 6,
        SampleInterval = 5,
        NumberOfSamples = 3,
        Progress = new ImmediateProgress(_reports.Add),
    };

    [Fact]
    public void Samples_come_at_their_interval_and_at_the_end_and_are_the_receivers()
    {
        Fit(Options);

        Assert.Equal([5, 10, 12], _reports.Where(report => report.Samples.Count > 0).Select(report => report.Step));
        foreach (TrainingProgress report in _reports.Where(report => report.Samples.Count > 0))
        {
            Assert.Equal(["no 0", "no 1", "no 2"], report.Samples.Select(sample => sample.Caption));
            foreach ((int row, TrainingSample sample) in report.Samples.Index())
            {
                Assert.Equal(TinyTraining.Picture(row).Pixels.ToArray(), sample.Image.Pixels.ToArray(), Close);
                Assert.Equal((8, 8), (sample.GeneratedImage.Width, sample.GeneratedImage.Height));      // alive after Fit
                Assert.NotNull(sample.GeneratedCaption);
            }
        }
    }

    [Fact]
    public void Samples_of_the_end_are_what_the_trained_model_makes()
    {
        TransfusionTrainer.Options options = Options with { Optimizer = Options.Optimizer with { EmaDecay = 0.9 } };
        using TransfusionTransformer transformer = _ml.Generation.Trainers.Transfusion(options).Fit(TinyTraining.View(_ml, TinyTraining.Rows()));

        foreach (TrainingSample sample in _reports[^1].Samples)
        {
            using MLImage drawn = transformer.Model.GenerateImage(sample.Caption, options.Generation);
            Assert.Equal(drawn.Pixels.ToArray(), sample.GeneratedImage.Pixels.ToArray());
            Assert.Equal(transformer.Model.Caption(sample.Image, options.Generation), sample.GeneratedCaption);
        }
    }

    [Theory]
    [InlineData(TrainingPrecision.Float32, 0.99)]
    [InlineData(TrainingPrecision.Float32, 0)]
    [InlineData(TrainingPrecision.BFloat16, 0.99)]
    public void Weights_are_the_same_bit_for_bit_with_and_without_all_of_it(TrainingPrecision precision, double emaDecay)
    {
        using var folder = new TemporaryFolder();
        TransfusionTrainer.Options shown = Options with { Precision = precision, Optimizer = Options.Optimizer with { EmaDecay = emaDecay }, TensorBoardFolder = folder.Path, SampleInterval = 1, ValidationInterval = 1 };

        Assert.Equal(Weights(shown with { ValidationSet = null, SampleInterval = null, TensorBoardFolder = null, Progress = null }), Weights(shown));
    }

    [Fact]
    public void Validation_captions_are_compared_up_to_their_number()
    {
        Fit(Options with { NumberOfValidationCaptions = 4 });

        Assert.Equal([6, 12], _reports.Where(report => report.ValidationCaptions is not null).Select(report => report.Step));
        Assert.All(_reports.Select(report => report.ValidationCaptions).OfType<CaptionScores>(), scores => Assert.Equal(4, scores.Count));

        _reports.Clear();
        Fit(Options with { NumberOfValidationCaptions = 0 });
        Assert.All(_reports, report => Assert.Null(report.ValidationCaptions));
    }

    [Fact]
    public void TensorBoard_gets_every_number_picture_and_text_at_its_step()
    {
        using var folder = new TemporaryFolder();
        string nested = Path.Combine(folder.Path, "runs", "one");

        Fit(Options with { TensorBoardFolder = nested });

        List<Tensorboard.Event> events = EventFile.Read(Assert.Single(Directory.GetFiles(nested)));
        Assert.Equal("brain.Event:2", events[0].FileVersion);
        foreach (TrainingProgress report in _reports)
        {
            Dictionary<string, float> scalars = events.Where(e => e.Step == report.Step && e.Summary is not null)
                .SelectMany(e => e.Summary.Value).Where(value => value.Image is null && value.Tensor is null).ToDictionary(value => value.Tag, value => value.SimpleValue);
            Assert.Equal((float)report.LanguageLoss, scalars["train/language_loss"]);
            Assert.Equal((float)report.DiffusionLoss, scalars["train/diffusion_loss"]);
            Assert.Equal((float)report.LearningRate, scalars["train/learning_rate"]);
            Assert.Equal(report.ValidationDiffusionLoss is null, !scalars.ContainsKey("validation/diffusion_loss"));
            Assert.Equal(report.ValidationCaptions is null, !scalars.ContainsKey("validation/captions_cider"));
        }
        Assert.Equal(["samples/1", "samples/2", "samples/3"], events.Where(e => e.Step == 10).SelectMany(e => e.Summary.Value).Where(value => value.Image is not null).Select(value => value.Tag));
        Assert.Equal(3, events.Where(e => e.Step == 10).SelectMany(e => e.Summary.Value).Count(value => value.Metadata?.PluginData.PluginName == "text"));
        Assert.All(events.Skip(1), e => Assert.InRange(e.WallTime, DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 3600, DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 1));
    }

    [Fact]
    public void A_TensorBoard_folder_that_cannot_be_made_is_refused_before_the_data_is_read()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("taken");
        File.WriteAllText(file, "");
        var watched = new WatchedView(TinyTraining.View(_ml, TinyTraining.Rows()));
        TransfusionTrainer trainer = _ml.Generation.Trainers.Transfusion(Options with { TensorBoardFolder = Path.Combine(file, "runs") });

        var error = Assert.Throws<InvalidOperationException>(() => trainer.Fit(watched));

        Assert.Contains("TensorBoardFolder", error.Message, StringComparison.Ordinal);
        Assert.Empty(watched.AskedFor);
    }

    [Fact]
    public void The_last_message_sums_up_the_run()
    {
        List<string> messages = [];
        _ml.Log += (_, e) => messages.Add(e.Kind == ChannelMessageKind.Info ? e.RawMessage : "");

        Fit(Options with { MaxTrainingTime = TimeSpan.FromHours(1) });

        string summary = Assert.Single(messages, message => message.StartsWith("Trained 12 steps in 00:0", StringComparison.Ordinal));
        TrainingProgress last = _reports[^1];
        Assert.Contains(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{last.Documents} documents, {last.Epochs:N1} epochs"), summary, StringComparison.Ordinal);
        Assert.Contains("0 steps skipped", summary, StringComparison.Ordinal);
        Assert.Contains(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"MaxTrainingTime of 01:00:00 bought {last.Epochs:N1} epochs"), summary, StringComparison.Ordinal);
        Assert.Contains(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"validation language loss {last.ValidationLanguageLoss:F3}"), summary, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_that_are_no_pair_are_neither_sampled_nor_compared()
    {
        List<PictureRow> rows = TinyTraining.Rows(4);
        rows[0].Caption = null;
        rows[2].Image = null;

        Fit(Options with { ValidationSet = TinyTraining.View(_ml, rows) });

        Assert.Equal(["no 1", "no 3"], _reports[^1].Samples.Select(sample => sample.Caption));
        Assert.Equal(2, _reports[^1].ValidationCaptions!.Count);
    }

    [Fact]
    public void Data_without_a_pair_has_no_samples_and_says_so()
    {
        List<string> warnings = [];
        _ml.Log += (_, e) => warnings.Add(e.Kind == ChannelMessageKind.Warning ? e.RawMessage : "");
        List<PictureRow> rows = TinyTraining.Rows(4);
        rows.ForEach(row => row.Caption = null);

        Fit(Options with { ValidationSet = TinyTraining.View(_ml, rows) });

        Assert.All(_reports, report => Assert.True(report.Samples.Count == 0 && report.ValidationCaptions is null));
        Assert.Contains(warnings, warning => warning.StartsWith("SampleInterval is 5, but", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Samples_leave_no_tensor_behind(bool hasBoard)
    {
        using var folder = new TemporaryFolder();
        TransfusionTrainer.Options options = Options with { TensorBoardFolder = hasBoard ? folder.Path : null, Progress = hasBoard ? null : Options.Progress };
        Fit(options);

        LeakCheck.Holds(() => Fit(options), times: 2);
    }

    [Fact]
    public void A_TensorBoard_folder_that_goes_away_ends_the_curves_and_not_the_training()
    {
        List<string> warnings = [];
        _ml.Log += (_, e) => warnings.Add(e.Kind == ChannelMessageKind.Warning ? e.RawMessage : "");
        using var folder = new TemporaryFolder();
        string board = folder.File("board");

        Fit(Options with
        {
            TensorBoardFolder = board,
            Progress = new ImmediateProgress(report =>
            {
                _reports.Add(report);
                if (Directory.Exists(board))
                    Directory.Delete(board, recursive: true);
            }),
        });

        Assert.Equal(12, _reports[^1].Step);
        Assert.Single(warnings, warning => warning.Contains("cannot be written from step", StringComparison.Ordinal));
    }

    [Fact]
    public void Cancellation_during_a_sample_returns_the_model_so_far()
    {
        using var source = new CancellationTokenSource();
        TransfusionTrainer.Options options = Options with
        {
            NumberOfSteps = 1_000_000,
            ValidationSet = null,
            CancellationToken = source.Token,
            SampleInterval = 1,
            Progress = new ImmediateProgress(report =>
            {
                _reports.Add(report);
                source.Cancel();
            }),
        };

        Fit(options);

        Assert.Equal(1, Assert.Single(_reports).Step);
    }

    private void Fit(TransfusionTrainer.Options options) => _ml.Generation.Trainers.Transfusion(options).Fit(TinyTraining.View(_ml, TinyTraining.Rows())).Dispose();

    private byte[] Weights(TransfusionTrainer.Options options)
    {
        using TransfusionTransformer transformer = _ml.Generation.Trainers.Transfusion(options).Fit(TinyTraining.View(_ml, TinyTraining.Rows()));
        using var stream = new MemoryStream();
        transformer.Model.Save(stream);
        return stream.ToArray();
    }

    private static bool Close(byte first, byte second) => Math.Abs(first - second) <= 1;         // latents are kept in 16 bits

    private sealed class ImmediateProgress(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }
}
