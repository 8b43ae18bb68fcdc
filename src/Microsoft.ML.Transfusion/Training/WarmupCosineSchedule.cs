// Learning rate: a linear warm-up, then half a cosine down to a share of the peak at the end of the run (Transfusion §4.1).
namespace Microsoft.ML.Transfusion.Training;

internal static class WarmupCosineSchedule
{
    /// <param name="config">Peak, final ratio and warm-up.</param>
    /// <param name="step">The step's number, from 1 on; 0 has the learning rate 0.</param>
    /// <param name="progress">Share that is done of what comes after the warm-up, in [0, 1]; by time where time limits the run.</param>
    public static double LearningRate(OptimizerConfig config, int step, double progress)
    {
        if (step < config.WarmupSteps)
            return config.LearningRate * step / config.WarmupSteps;
        double cosine = (1 + Math.Cos(Math.PI * Math.Clamp(progress, 0, 1))) / 2;
        return config.LearningRate * (config.FinalLearningRateRatio + (1 - config.FinalLearningRateRatio) * cosine);
    }
}
