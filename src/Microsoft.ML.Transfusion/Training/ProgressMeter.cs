// Averages losses and speed between two progress reports.
using System.Diagnostics;

namespace Microsoft.ML.Transfusion.Training;

/// <summary>Collects steps; <see cref="Report"/> gives the averages since the last report and starts anew.</summary>
internal sealed class ProgressMeter(TrainingState state, int documentCount)
{
    private readonly TimeSpan _before = state.Elapsed;      // earlier sittings
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private TimeSpan _lastReport, _waited, _waitedBefore;
    private double _language, _diffusion, _norm;
    private int _languageSteps, _diffusionSteps, _steps;
    private long _positions, _allPositions;
    private TimeSpan _training;                             // up to the last report, without what reports took

    public TimeSpan Elapsed => _before + _clock.Elapsed;

    public TimeSpan SinceReport => _clock.Elapsed - _lastReport;

    /// <param name="step">What the step gave.</param>
    /// <param name="positions">Positions it was trained on.</param>
    /// <param name="waited">How long the run, this sitting, has waited for data so far.</param>
    public void Add(StepResult step, int positions, TimeSpan waited)
    {
        _positions += positions;
        _allPositions += positions;
        _waited = waited;
        if (!step.IsFinite)
            return;
        (_norm, _steps) = (_norm + step.GradientNorm, _steps + 1);
        if (step.LanguageLoss is { } language)
            (_language, _languageSteps) = (_language + language, _languageSteps + 1);
        if (step.DiffusionLoss is { } diffusion)
            (_diffusion, _diffusionSteps) = (_diffusion + diffusion, _diffusionSteps + 1);
    }

    public TrainingProgress Report(double fraction, double learningRate)
    {
        TimeSpan now = _clock.Elapsed;
        var progress = new TrainingProgress
        {
            Step = state.Step,
            Fraction = fraction,
            LanguageLoss = _language / _languageSteps,
            DiffusionLoss = _diffusion / _diffusionSteps,
            GradientNorm = _norm / _steps,
            SkippedSteps = state.SkippedSteps,
            LearningRate = learningRate,
            TokensPerSecond = _positions / Math.Max((now - _lastReport).TotalSeconds, 1e-9),
            WaitingShare = Math.Clamp((_waited - _waitedBefore) / (now - _lastReport), 0, 1),
            Documents = state.Documents,
            Epochs = (double)state.Documents / documentCount,
            Elapsed = Elapsed,
            Remaining = fraction > 0 ? Elapsed * ((1 - fraction) / fraction) : TimeSpan.MaxValue,
        };
        _training += now - _lastReport;
        (_language, _diffusion, _norm, _languageSteps, _diffusionSteps, _steps, _positions) = (0, 0, 0, 0, 0, 0, 0);
        (_lastReport, _waitedBefore) = (now, _waited);
        return progress;
    }

    /// <summary>Training goes on after a report: validation, samples and the caller's own work are no training.</summary>
    public void Resume() => _lastReport = _clock.Elapsed;

    /// <summary>The run so far; speed is this sitting's.</summary>
    public TrainingTotals Totals() => new(state.Step, state.Documents, (double)state.Documents / documentCount, state.Elapsed,
        _allPositions / Math.Max((_training + SinceReport).TotalSeconds, 1e-9), state.SkippedSteps);
}
