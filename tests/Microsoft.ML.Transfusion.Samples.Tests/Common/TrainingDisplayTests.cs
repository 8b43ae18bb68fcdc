using Samples.Common;

namespace Microsoft.ML.Transfusion.Samples.Tests.Common;

public class TrainingDisplayTests
{
    [Fact]
    public void Run_keeps_the_history_and_gives_the_result()
    {
        (string result, TrainingDisplay display) = TrainingDisplay.Run((progress, interruption) =>
        {
            Assert.False(interruption.IsCancellationRequested);
            ((IProgress<TrainingProgress>)progress).Report(Progress(step: 10, seconds: 1, speed: 100));
            ((IProgress<TrainingProgress>)progress).Report(Progress(step: 40, seconds: 4, speed: 200));
            return "model";
        });
        Assert.Equal("model", result);
        Assert.Equal([10, 40], display.History.Select(entry => entry.Step));
        Assert.Equal((40, 4), (display.Steps, display.Seconds));
        Assert.Equal((100 * 1 + 200 * 3) / 4.0, display.TokensPerSecond);
    }

    [Fact]
    public void Run_without_reports_has_taken_no_step()
    {
        TrainingDisplay display = TrainingDisplay.Run((_, _) => 0).Display;
        Assert.Equal((0, 0.0, 0.0), (display.Steps, display.Seconds, display.TokensPerSecond));
    }

    internal static TrainingProgress Progress(int step, double language = 1, double diffusion = 1, double seconds = 1, double speed = 1) => new()
    {
        Step = step,
        Fraction = 0.5,
        LanguageLoss = language,
        DiffusionLoss = diffusion,
        LearningRate = 1e-3,
        TokensPerSecond = speed,
        Documents = step,
        Elapsed = TimeSpan.FromSeconds(seconds),
        Remaining = TimeSpan.FromSeconds(1),
    };
}
