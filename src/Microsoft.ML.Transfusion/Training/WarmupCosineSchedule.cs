// Learning rate: a linear warm-up, then half a cosine down to a share of the peak at the end of the run (Transfusion §4.1).
namespace Microsoft.ML.Transfusion.Training;

internal static class WarmupCosineSchedule
{
    /// <param name="config">Peak, final ratio and warm-up.</param>
    /// <param name="step">Steps already taken.</param>
    /// <param name="fraction">Share of the run that is done, in [0, 1]; by time where time limits it.</param>
    public static double LearningRate(OptimizerConfig config, int step, double fraction)
    {
        double warmup = config.WarmupSteps == 0 ? 1 : Math.Min(1, (step + 1.0) / config.WarmupSteps);
        double cosine = (1 + Math.Cos(Math.PI * Math.Clamp(fraction, 0, 1))) / 2;
        return config.LearningRate * warmup * (config.FinalLearningRateRatio + (1 - config.FinalLearningRateRatio) * cosine);
    }
}
