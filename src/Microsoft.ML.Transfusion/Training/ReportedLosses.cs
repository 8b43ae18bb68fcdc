// Averages an autoencoder's losses between two reports.
namespace Microsoft.ML.Transfusion.Training;

internal sealed class ReportedLosses
{
    private double _reconstruction, _perceptual, _adversarial, _latent;
    private int _steps, _adversarialSteps;

    public void Add(AutoencoderStep step)
    {
        (_reconstruction, _perceptual, _latent, _steps) = (_reconstruction + step.Reconstruction, _perceptual + step.Perceptual, _latent + step.Latent, _steps + 1);
        if (!double.IsNaN(step.Adversarial))
            (_adversarial, _adversarialSteps) = (_adversarial + step.Adversarial, _adversarialSteps + 1);
    }

    /// <summary>The averages since the last call.</summary>
    public AutoencoderProgress Take(int step, double fraction, double? codebookUsage, TimeSpan elapsed)
    {
        var progress = new AutoencoderProgress
        {
            Step = step,
            Fraction = fraction,
            ReconstructionLoss = _reconstruction / _steps,
            PerceptualLoss = _perceptual / _steps,
            AdversarialLoss = _adversarial / _adversarialSteps,
            LatentLoss = _latent / _steps,
            CodebookUsage = codebookUsage,
            Elapsed = elapsed,
        };
        (_reconstruction, _perceptual, _adversarial, _latent, _steps, _adversarialSteps) = (0, 0, 0, 0, 0, 0);
        return progress;
    }
}
