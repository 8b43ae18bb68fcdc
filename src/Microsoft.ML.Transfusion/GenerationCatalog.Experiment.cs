// Fitting from a time budget alone. docs/experiment.md is the guide.
namespace Microsoft.ML.Transfusion;

public sealed partial class GenerationCatalog
{
    /// <summary>An experiment that tries presets and learning rates within a time budget and keeps the best model, as Model Builder does.</summary>
    /// <param name="maxExperimentTimeInSeconds">Wall-clock time for everything, the reading of the data included; at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxExperimentTimeInSeconds"/> is 0.</exception>
    public GenerationExperiment CreateExperiment(uint maxExperimentTimeInSeconds) =>
        CreateExperiment(new GenerationExperimentSettings { MaxExperimentTime = TimeSpan.FromSeconds(maxExperimentTimeInSeconds) });

    /// <summary>An experiment that tries recipes within a time budget and keeps the best model.</summary>
    /// <param name="settings">Time, what to try, and what all runs share.</param>
    /// <exception cref="ArgumentException">A setting is out of its range, or a candidate does not fit the others.</exception>
    public GenerationExperiment CreateExperiment(GenerationExperimentSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return new GenerationExperiment(_context, settings);
    }
}
