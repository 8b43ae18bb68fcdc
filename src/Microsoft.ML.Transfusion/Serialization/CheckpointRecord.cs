// run.json of a checkpoint: what a run was told that must stay as it is, and the numbers that it carries from step to step.
using Microsoft.ML.Transfusion.Training;

namespace Microsoft.ML.Transfusion.Serialization;

/// <param name="Seed">Decides everything random; the options' or one that was drawn.</param>
/// <param name="Options">Every option that must not change, by its name in a program.</param>
/// <param name="Documents">What the training documents were, see <see cref="Fingerprint"/>.</param>
/// <param name="FrozenWeights">What the weights were that training leaves alone, and that are therefore not stored; null where it moves all.</param>
internal sealed record CheckpointRecord(
    int Seed, IReadOnlyDictionary<string, string> Options, string Documents, string? FrozenWeights, CheckpointCounters Counters);

/// <summary>The state's numbers, each with the name that <see cref="TrainingState"/> gives it.</summary>
internal sealed record CheckpointCounters(
    int Step, int SkippedSteps, int SkipsInARow, long Documents, TimeSpan Elapsed, int WarmedUpStep, TimeSpan WarmedUpElapsed, int Pass, int Batch)
{
    public static CheckpointCounters Of(TrainingState state) => new(state.Step, state.SkippedSteps, state.SkipsInARow, state.Documents, state.Elapsed,
        state.WarmedUp.Step, state.WarmedUp.Elapsed, state.Data.Pass, state.Data.Batch);

    public void CopyTo(TrainingState state)
    {
        (state.Step, state.SkippedSteps, state.SkipsInARow) = (Step, SkippedSteps, SkipsInARow);
        (state.Documents, state.Elapsed) = (Documents, Elapsed);
        state.WarmedUp = (WarmedUpStep, WarmedUpElapsed);
        state.Data = new DataPosition(Pass, Batch);
    }
}
