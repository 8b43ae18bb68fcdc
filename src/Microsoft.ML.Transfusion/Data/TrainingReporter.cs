// Carries a run's progress to TensorBoard, to the caller and to the ML.NET channel. ML.NET's own progress channel never reaches MLContext.Log.
using System.Globalization;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Interop;
using Microsoft.ML.Transfusion.Training;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class TrainingReporter(IHost host, IChannel channel, TransfusionTrainer.Options options, TensorBoardLog? board) : IProgress<TrainingProgress>
{
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(10);
    private TimeSpan _nextLine = LineInterval;
    private TensorBoardLog? _board = board;
    private TrainingProgress? _last, _lastValidation;

    /// <summary>Where an MLContext's execution is cancelled, this is where a run notices.</summary>
    /// <exception cref="OperationCanceledException">It was.</exception>
    public void Report(TrainingProgress value)
    {
        MLNetInternals.CheckAlive(host);
        ShowOnBoard(value);
        if (options.Progress is not null)
            options.Progress.Report(value);                        // from here on, the samples' pictures are the caller's
        else
            DisposeSamples(value);
        _last = value;
        _lastValidation = value.ValidationLanguageLoss is null ? _lastValidation : value;
        if (value.Fraction < 1 && value.Elapsed < _nextLine && value.ValidationLanguageLoss is null)
            return;
        _nextLine = value.Elapsed + LineInterval;
        channel.Info(MessageSensitivity.None, "Step {0}, {1:P0}: {2}{3}, {4:N0} tokens/s, {5:hh\\:mm\\:ss} left.",
            value.Step, value.Fraction, Losses(value), value.ValidationLanguageLoss is null ? "" : $"; {ValidationLosses(value)}", value.TokensPerSecond, value.Remaining);
    }

    /// <summary>The last message of a run: what it did with its steps and its time, and where it got to.</summary>
    public void Summarize(TrainingTotals totals)
    {
        string bought = options.MaxTrainingTime is { } time ? $" MaxTrainingTime of {Clock(time)} bought {totals.Epochs:N1} epochs." : "";
        string losses = _last is null ? "" : $" Last losses: {Losses(_last)}.";
        string validation = _lastValidation is null ? "" : $" Step {_lastValidation.Step}: {ValidationLosses(_lastValidation)}.";
        channel.Info(MessageSensitivity.None, "{0}", string.Create(CultureInfo.InvariantCulture,
            $"Trained {totals.Steps:N0} steps in {Clock(totals.Elapsed)}: {totals.Documents:N0} documents, {totals.Epochs:N1} epochs, {totals.TokensPerSecond:N0} tokens/s, {totals.SkippedSteps} steps skipped.{bought}{losses}{validation}"));
    }

    /// <summary>A full disk ends the curves, not the training.</summary>
    private void ShowOnBoard(TrainingProgress value)
    {
        try
        {
            _board?.Write(value);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            channel.Warning(MessageSensitivity.None, "TensorBoardFolder '{0}' cannot be written from step {1} on: {2} Training goes on without it.",
                options.TensorBoardFolder, value.Step, exception.Message);
            _board = null;
        }
    }

    private static void DisposeSamples(TrainingProgress value)
    {
        foreach (TrainingSample sample in value.Samples)
        {
            sample.Image.Dispose();
            sample.GeneratedImage.Dispose();
        }
    }

    private static string Losses(TrainingProgress value) =>
        string.Create(CultureInfo.InvariantCulture, $"language loss {value.LanguageLoss:F3}, diffusion loss {value.DiffusionLoss:F4}");

    private static string ValidationLosses(TrainingProgress value)
    {
        string captions = value.ValidationCaptions is not { } scores ? ""
            : string.Create(CultureInfo.InvariantCulture, $", {scores.ExactMatch:P0} of {scores.Count} captions exact, CIDEr {scores.Cider:F2}");
        return string.Create(CultureInfo.InvariantCulture, $"validation language loss {value.ValidationLanguageLoss:F3}, diffusion loss {value.ValidationDiffusionLoss:F4}{captions}");
    }

    private static string Clock(TimeSpan time) => time.ToString(time.TotalHours >= 24 ? @"d\.hh\:mm\:ss" : @"hh\:mm\:ss", CultureInfo.InvariantCulture);
}
