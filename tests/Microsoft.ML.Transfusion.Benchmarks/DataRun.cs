// One training run over a folder, as an application would write it, and what it took.
using System.Diagnostics;

namespace Microsoft.ML.Transfusion.Benchmarks;

/// <param name="Pictures">Rows of the folder.</param>
/// <param name="ListSeconds">Until the captions were read.</param>
/// <param name="ReadSeconds">From then until every picture was decoded and kept.</param>
/// <param name="TrainSeconds">The steps.</param>
/// <param name="WaitingShare">Of the steps' time.</param>
/// <param name="PeakMiB">The largest resident set.</param>
/// <param name="QuarterMiB">Resident after a quarter of the steps.</param>
/// <param name="EndMiB">Resident after the last.</param>
/// <param name="Cache">What the trainer said of where the data are.</param>
internal sealed record DataRun(int Pictures, int Steps, double ListSeconds, double ReadSeconds, double TrainSeconds, double WaitingShare,
    double PeakMiB, double QuarterMiB, double EndMiB, string Cache)
{
    public static DataRun Of(string folder, TransfusionTrainer.Options options)
    {
        var ml = new MLContext(1);
        var clock = Stopwatch.StartNew();
        double read = 0;
        string cache = "";
        ml.Log += (_, e) =>
        {
            if (e.RawMessage.StartsWith("Read ", StringComparison.Ordinal))
                read = clock.Elapsed.TotalSeconds;
            if (e.RawMessage.StartsWith("The data take ", StringComparison.Ordinal))
                cache = e.RawMessage;
        };
        var progress = new Watched(options.NumberOfSteps!.Value);

        IDataView data = ml.Generation.LoadCaptionedImages(folder);
        int pictures = (int)data.GetRowCount()!.Value;
        double listed = clock.Elapsed.TotalSeconds;
        using TransfusionTransformer transformer = ml.Transforms.LoadImages("Image", folder, "ImagePath")
            .Append(ml.Generation.Trainers.Transfusion(options with { Progress = progress })).Fit(data).LastTransformer;
        return new DataRun(pictures, progress.Last!.Step, listed, read - listed, progress.Last.Elapsed.TotalSeconds,
            progress.Waited / progress.Last.Elapsed, ResidentMemory.PeakMiB, progress.QuarterMiB, progress.EndMiB, cache);
    }

    private sealed class Watched(int steps) : IProgress<TrainingProgress>
    {
        public TrainingProgress? Last { get; private set; }

        public TimeSpan Waited { get; private set; }

        public double QuarterMiB { get; private set; }

        public double EndMiB { get; private set; }

        public void Report(TrainingProgress value)
        {
            Waited += value.WaitingShare * (value.Elapsed - (Last?.Elapsed ?? TimeSpan.Zero));
            Last = value;
            EndMiB = ResidentMemory.MiB;
            if (QuarterMiB == 0 && value.Step >= steps / 4)
                QuarterMiB = EndMiB;
        }
    }
}
