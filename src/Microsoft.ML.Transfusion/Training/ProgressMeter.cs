// Averages losses and speed between two progress reports.
using System.Diagnostics;

namespace Microsoft.ML.Transfusion.Training;

/// <summary>Collects steps; <see cref="Report"/> gives the averages since the last report and starts anew.</summary>
internal sealed class ProgressMeter
{
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private TimeSpan _lastReport;
    private double _language, _diffusion;
    private int _languageSteps, _diffusionSteps, _steps;
    private long _positions, _documents;

    public TimeSpan Elapsed => _clock.Elapsed;

    public TimeSpan SinceReport => _clock.Elapsed - _lastReport;

    public void Add(double? languageLoss, double? diffusionLoss, int positions, int documents)
    {
        _steps++;
        _positions += positions;
        _documents += documents;
        if (languageLoss is { } language)
            (_language, _languageSteps) = (_language + language, _languageSteps + 1);
        if (diffusionLoss is { } diffusion)
            (_diffusion, _diffusionSteps) = (_diffusion + diffusion, _diffusionSteps + 1);
    }

    public TrainingProgress Report(double fraction, double learningRate)
    {
        TimeSpan elapsed = _clock.Elapsed;
        var progress = new TrainingProgress
        {
            Step = _steps,
            Fraction = fraction,
            LanguageLoss = _language / _languageSteps,
            DiffusionLoss = _diffusion / _diffusionSteps,
            LearningRate = learningRate,
            TokensPerSecond = _positions / Math.Max((elapsed - _lastReport).TotalSeconds, 1e-9),
            Documents = _documents,
            Elapsed = elapsed,
            Remaining = fraction > 0 ? elapsed * ((1 - fraction) / fraction) : TimeSpan.MaxValue,
        };
        (_language, _diffusion, _languageSteps, _diffusionSteps, _positions, _lastReport) = (0, 0, 0, 0, 0, elapsed);
        return progress;
    }
}
