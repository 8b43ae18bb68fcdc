// One run of an experiment, in the shape of AutoML's RunDetail.
namespace Microsoft.ML.Transfusion;

/// <summary>What one run of an experiment tried and reached. Reported when the run has ended.</summary>
public sealed record TransfusionRunDetail
{
    internal TransfusionRunDetail()
    {
    }

    /// <summary>The candidate's name.</summary>
    public required string TrainerName { get; init; }

    /// <summary>All options of the run; how long it might take is in them.</summary>
    public required TransfusionTrainer.Options Options { get; init; }

    /// <summary>Trains the same again, on other data perhaps: the pre-featurizer, if there is one, and the trainer.</summary>
    public required IEstimator<ITransformer> Estimator { get; init; }

    /// <summary>The trained pipeline of the best run, the caller's to dispose. Null in all other runs, whose models are freed as soon as there is a better one, and while the experiment runs.</summary>
    public ITransformer? Model { get; internal init; }

    /// <summary>How good the run's model is on held-out data; null where the run failed.</summary>
    public TransfusionValidationMetrics? ValidationMetrics { get; internal init; }

    /// <summary>Optimizer steps taken.</summary>
    public int Steps { get; internal init; }

    /// <summary>Seconds of the run, its scoring included.</summary>
    public double RuntimeInSeconds { get; internal init; }

    /// <summary>Whether it was ended before its time, because it had fallen behind or no longer got better.</summary>
    public bool StoppedEarly { get; internal init; }

    /// <summary>Why it failed; null where it did not.</summary>
    public Exception? Exception { get; internal init; }
}
