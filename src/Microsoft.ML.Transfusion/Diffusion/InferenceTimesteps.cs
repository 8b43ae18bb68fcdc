// Which of the T training timesteps a few inference steps visit (Lin et al. 2023, table 2), and where each of them leads.
namespace Microsoft.ML.Transfusion.Diffusion;

/// <summary>A reverse step from one timestep to a less noisy one; −1 is the clean image.</summary>
internal readonly record struct ReverseStep(int Timestep, int Next);

internal static class InferenceTimesteps
{
    /// <summary>Timesteps in the order of the walk: the noisiest first.</summary>
    /// <param name="offset">Added to every timestep of leading spacing, which without it ends at 0 and starts short of T.</param>
    public static int[] Space(int total, int steps, TimestepSpacing spacing, int offset = 0) => spacing switch
    {
        TimestepSpacing.Leading => [.. Enumerable.Range(0, steps).Select(i => (steps - 1 - i) * (total / steps) + offset)],
        TimestepSpacing.Trailing => [.. Enumerable.Range(0, steps).Select(i => (int)Math.Round(total - i * ((double)total / steps)) - 1)],
        TimestepSpacing.Linspace => [.. Enumerable.Range(0, steps).Select(i => (int)Math.Round((steps - 1 - i) * ((total - 1.0) / Math.Max(steps - 1, 1))))],
        _ => throw new ArgumentOutOfRangeException(nameof(spacing), spacing, "Unknown timestep spacing."),
    };

    /// <summary>Each timestep leads to the one after it, the last to the clean image.</summary>
    public static ReverseStep[] Walk(IReadOnlyList<int> timesteps) =>
        [.. timesteps.Select((timestep, at) => new ReverseStep(timestep, at + 1 < timesteps.Count ? timesteps[at + 1] : -1))];
}
