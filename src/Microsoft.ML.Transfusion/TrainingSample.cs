// One row of what a model in training can do: a caption drawn, and the picture beside it captioned.
using Microsoft.ML.Data;

namespace Microsoft.ML.Transfusion;

/// <summary>A captioned picture, and what the model made of each half of it.</summary>
/// <remarks>
/// Both pictures have the trained size. They belong to whoever receives them: nothing in the library keeps, reuses or disposes them, so they may be shown
/// later and on another thread. Dispose them when they are no longer shown, or leave it to the garbage collector.
/// </remarks>
public sealed record TrainingSample
{
    /// <summary>The caption as the data has it: what <see cref="GeneratedImage"/> was drawn from.</summary>
    public required string Caption { get; init; }

    /// <summary>The picture as the network sees it: what <see cref="GeneratedCaption"/> describes.</summary>
    public required MLImage Image { get; init; }

    /// <summary>What the model says of <see cref="Image"/>; it was not shown <see cref="Caption"/>.</summary>
    public required string GeneratedCaption { get; init; }

    /// <summary>What the model draws for <see cref="Caption"/>; it was not shown <see cref="Image"/>.</summary>
    public required MLImage GeneratedImage { get; init; }
}
