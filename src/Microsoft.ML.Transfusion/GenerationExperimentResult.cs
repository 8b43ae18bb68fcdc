// What an experiment found, in the shape of AutoML's ExperimentResult.
namespace Microsoft.ML.Transfusion;

/// <summary>The best run of an experiment, and all of them.</summary>
public sealed class GenerationExperimentResult
{
    internal GenerationExperimentResult(TransfusionRunDetail bestRun, IReadOnlyList<TransfusionRunDetail> runDetails) => (BestRun, RunDetails) = (bestRun, runDetails);

    /// <summary>The run with the least <see cref="TransfusionValidationMetrics.Score"/>; the only one with a model.</summary>
    public TransfusionRunDetail BestRun { get; }

    /// <summary>All runs in the order they were made, failed ones included.</summary>
    public IReadOnlyList<TransfusionRunDetail> RunDetails { get; }
}
