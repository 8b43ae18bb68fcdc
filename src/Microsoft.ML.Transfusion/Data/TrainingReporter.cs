// Carries a run's progress to the caller and to the ML.NET channel. ML.NET's own progress channel never reaches MLContext.Log.
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Interop;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class TrainingReporter(IHost host, IChannel channel, IProgress<TrainingProgress>? caller) : IProgress<TrainingProgress>
{
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(10);
    private TimeSpan _nextLine = LineInterval;

    /// <summary>Where an MLContext's execution is cancelled, this is where a run notices.</summary>
    /// <exception cref="OperationCanceledException">It was.</exception>
    public void Report(TrainingProgress value)
    {
        MLNetInternals.CheckAlive(host);
        caller?.Report(value);
        if (value.Fraction < 1 && value.Elapsed < _nextLine && value.ValidationLanguageLoss is null)
            return;
        _nextLine = value.Elapsed + LineInterval;
        string validation = value.ValidationLanguageLoss is null ? ""
            : $", validation language loss {value.ValidationLanguageLoss:F3}, diffusion loss {value.ValidationDiffusionLoss:F4}";
        channel.Info(MessageSensitivity.None, "Step {0}, {1:P0}: language loss {2:F3}, diffusion loss {3:F4}{4}, {5:N0} tokens/s, {6:hh\\:mm\\:ss} left.",
            value.Step, value.Fraction, value.LanguageLoss, value.DiffusionLoss, validation, value.TokensPerSecond, value.Remaining);
    }
}
