// The code of docs/monitoring.md, run with a tiny model.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Transfusion.Tests;

public class MonitoringGuideTests
{
    [Fact]
    public void Code_of_the_guide_runs()
    {
        SynchronizationContext.SetSynchronizationContext(new AtOnce());     // Progress<T> posts to the context that it was made in
        using var folder = new TemporaryFolder();
        var ml = new MLContext(seed: 1);
        string runs = folder.File("runs"), samples = Directory.CreateDirectory(folder.File("samples")).FullName;
        IDataView train = TinyTraining.View(ml, TinyTraining.Rows()), held = TinyTraining.View(ml, TinyTraining.Rows(3));
        TransfusionTrainer.Options options = TinyTraining.Options;

        #region fit
        ml.Log += (_, e) =>
        {
            if (e.Kind == ChannelMessageKind.Info)
                Console.WriteLine(e.RawMessage);                   // a line every ten seconds, and the summary
        };
        TransfusionTransformer model = ml.Generation.Trainers.Transfusion(options with
        {
            ValidationSet = held,
            TensorBoardFolder = Path.Combine(runs, "first"),       // tensorboard --logdir runs
            SampleInterval = 500,
            Progress = new Progress<TrainingProgress>(Show),
        }).Fit(train);
        #endregion

        #region show
        void Show(TrainingProgress progress)
        {
            if (progress.ValidationCaptions is { } captions)
                Console.WriteLine($"step {progress.Step}: {captions.ExactMatch:p0} of {captions.Count} captions right, CIDEr {captions.Cider:f2}");
            foreach ((int index, TrainingSample sample) in progress.Samples.Index())
            {
                sample.GeneratedImage.Save(Path.Combine(samples, $"{progress.Step:d6}-{index}.png"));
                Console.WriteLine($"drawn: {sample.Caption}; said of its picture: {sample.GeneratedCaption}");
                sample.Image.Dispose();                            // they are yours
                sample.GeneratedImage.Dispose();
            }
        }
        #endregion

        Assert.Single(Directory.GetFiles(Path.Combine(runs, "first")));
        Assert.Equal(3, Directory.GetFiles(samples, "000003-*.png").Length);
        model.Dispose();
    }

    private sealed class AtOnce : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state) => d(state);
    }
}
