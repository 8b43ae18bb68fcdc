// What a picture is to the network.
namespace Microsoft.ML.Transfusion;

/// <summary>The size pictures are trained and drawn at, and the patches they are cut into. Immutable.</summary>
public sealed record ImageCodecConfig
{
    /// <summary>Height in pixels; 32 by default. A multiple of <see cref="PatchSize"/>.</summary>
    public int ImageHeight { get; init; } = 32;

    /// <summary>Width in pixels; 32 by default. A multiple of <see cref="PatchSize"/>.</summary>
    public int ImageWidth { get; init; } = 32;

    /// <summary>Side of a square patch; one patch is one position of the sequence. 4 by default: 64 patches in a 32×32 picture.</summary>
    public int PatchSize { get; init; } = 4;

    internal int PatchRows => ImageHeight / PatchSize;

    internal int PatchColumns => ImageWidth / PatchSize;

    internal int PatchCount => PatchRows * PatchColumns;
}
