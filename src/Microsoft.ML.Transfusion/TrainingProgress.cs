// What a running Fit tells its caller.
namespace Microsoft.ML.Transfusion;

/// <summary>The state of a training run, reported several times a second at most.</summary>
public sealed record TrainingProgress
{
    /// <summary>Steps taken so far.</summary>
    public required int Step { get; init; }

    /// <summary>Share of the run that is done, in [0, 1], by steps or by time, whichever is further.</summary>
    public required double Fraction { get; init; }

    /// <summary>Language loss in nats a token, averaged over the steps since the last report; NaN where no text was trained.</summary>
    public required double LanguageLoss { get; init; }

    /// <summary>Diffusion loss (mean squared error), averaged over the steps since the last report; NaN where no image was trained.</summary>
    public required double DiffusionLoss { get; init; }

    /// <summary>Norm of the gradient before clipping, averaged over the steps since the last report.</summary>
    public double GradientNorm { get; init; }

    /// <summary>Steps so far whose loss or gradient was not finite; they moved no weight.</summary>
    public int SkippedSteps { get; init; }

    /// <summary>Language loss on the validation set, where there is one and it was just evaluated.</summary>
    public double? ValidationLanguageLoss { get; init; }

    /// <summary>Diffusion loss on the validation set at fixed noise, where there is one and it was just evaluated.</summary>
    public double? ValidationDiffusionLoss { get; init; }

    /// <summary>How well pictures of the validation set are captioned, where there are any and it was just evaluated; see <see cref="TransfusionTrainer.Options.NumberOfValidationCaptions"/>.</summary>
    public CaptionScores? ValidationCaptions { get; init; }

    /// <summary>What the model draws and says just now, every <see cref="TransfusionTrainer.Options.SampleInterval"/> steps and at the end; else empty. The pictures are the receiver's.</summary>
    public IReadOnlyList<TrainingSample> Samples { get; init; } = [];

    /// <summary>Learning rate of the last step.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Positions (text tokens and image patches) trained a second since the last report; the time of validation and samples is not counted.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Share of the time since the last report that the network waited for data, in [0, 1].</summary>
    public double WaitingShare { get; init; }

    /// <summary>Documents seen so far, counted with repetition.</summary>
    public required long Documents { get; init; }

    /// <summary>Passes over the training data so far, fractions included.</summary>
    public double Epochs { get; init; }

    /// <summary>Time since training began, earlier sittings of a resumed run included.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Estimated time until training ends.</summary>
    public required TimeSpan Remaining { get; init; }
}
