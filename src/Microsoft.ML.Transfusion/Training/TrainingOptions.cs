// What a training run needs to know beside the model's configuration.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

/// <param name="NumberOfSteps">Optimizer steps; null: only the time limits the run.</param>
/// <param name="MaxTrainingTime">Wall-clock limit; the learning-rate schedule ends with it. Null: only the steps limit the run.</param>
/// <param name="HorizontalFlip">Whether every other document is trained with its images mirrored.</param>
/// <param name="ValidationInterval">Steps between two evaluations of the validation documents.</param>
internal sealed record TrainingOptions(
    OptimizerConfig Optimizer,
    int? NumberOfSteps,
    TimeSpan? MaxTrainingTime,
    int Seed,
    TrainingPrecision Precision,
    Device Device,
    bool HorizontalFlip = false,
    int ValidationInterval = 500,
    IProgress<TrainingProgress>? Progress = null,
    CancellationToken CancellationToken = default)
{
    private static readonly string[] TextPath = ["embed_tokens.", "layers.", "norm.", "lm_head."];

    /// <summary>Called before the first step; a run that is taken up again is restored here.</summary>
    public Action<TrainingState>? Begin { get; init; }

    /// <summary>Called after every step, when its progress has been reported.</summary>
    public Action<TrainingState>? AfterStep { get; init; }

    /// <summary>Called when the run ends, by itself or because it was cancelled, while its state is whole; not when it fails.</summary>
    public Action<TrainingState>? End { get; init; }

    /// <summary>Told what the run amounted to, when it has ended by itself or was cancelled.</summary>
    public Action<TrainingTotals>? Summarize { get; init; }

    /// <summary>Steps between two calls of <see cref="Preview"/> beside those at validations; null: there are no others.</summary>
    public int? SampleInterval { get; init; }

    /// <summary>Adds to a report what the network can do, which has the averaged weights while it is asked. Must draw from generators of its own.</summary>
    public Func<TrainingProgress, TrainingProgress>? Preview { get; init; }

    /// <summary>Whether blocks are computed again in the backward pass instead of keeping what they computed.</summary>
    public bool ActivationCheckpointing { get; init; }

    /// <summary>Whether the text path, all that a language model has, keeps its weights, and the image parts alone are trained.</summary>
    public bool FreezesText { get; init; }

    /// <summary>Whether the parameter of this name keeps its value.</summary>
    public bool IsFrozen(string name) => FreezesText && Array.Exists(TextPath, part => name.StartsWith(part, StringComparison.Ordinal));
}
