// The kinds of sealed archives: what their manifest says they are, and what messages call them.
namespace Microsoft.ML.Transfusion.Serialization;

/// <param name="Format">The manifest's own word for the kind.</param>
/// <param name="Version">The newest format that this library writes and reads.</param>
/// <param name="Name">One word for messages.</param>
/// <param name="Remedy">What to do about a damaged one.</param>
internal sealed record ArchiveKind(string Format, int Version, string Name, string Remedy)
{
    public static ArchiveKind Model { get; } = new("Microsoft.ML.Transfusion model", 1, "model", "Restore the file from a copy, or save the model again.");

    public static ArchiveKind Checkpoint { get; } = new("Microsoft.ML.Transfusion checkpoint", 1, "checkpoint", "Restore the file from a copy, or go on from an earlier checkpoint.");

    public static ArchiveKind Autoencoder { get; } = new("Microsoft.ML.Transfusion autoencoder", 1, "autoencoder", "Restore the file from a copy, or save the autoencoder again.");
}
