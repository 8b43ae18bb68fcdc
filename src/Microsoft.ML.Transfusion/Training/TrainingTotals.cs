// What a run amounted to when it ended.
namespace Microsoft.ML.Transfusion.Training;

/// <param name="Steps">Optimizer steps, earlier sittings of a resumed run and skipped steps included.</param>
/// <param name="Documents">Documents seen, counted with repetition.</param>
/// <param name="Epochs">Passes over the training data, fractions included.</param>
/// <param name="Elapsed">Training time, earlier sittings included, to the end of the last step.</param>
/// <param name="TokensPerSecond">Positions trained a second in this sitting, without the time of validation and samples.</param>
/// <param name="SkippedSteps">Steps whose loss or gradient was not finite.</param>
internal sealed record TrainingTotals(int Steps, long Documents, double Epochs, TimeSpan Elapsed, double TokensPerSecond, int SkippedSteps);
