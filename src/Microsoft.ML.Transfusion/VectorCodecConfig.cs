// What a vector is to the network.
namespace Microsoft.ML.Transfusion;

/// <summary>The vectors that a model was trained on in place of pictures: audio frames, windows of sensors, actions. Immutable; part of a trained model's configuration.</summary>
public sealed record VectorCodecConfig
{
    /// <summary>Dimensions of the vector column, such as [2, 64]: the last one is cut into patches, and those before it are channels of every patch.</summary>
    public IReadOnlyList<int> Shape { get; init; } = [];

    /// <summary>Places along the last dimension that one patch takes; one patch is one position of the sequence.</summary>
    public int PatchLength { get; init; }

    /// <summary>Mean of each channel over the training data; the network sees values less this.</summary>
    public IReadOnlyList<float> Mean { get; init; } = [];

    /// <summary>Standard deviation of each channel over the training data; the network sees values divided by this.</summary>
    public IReadOnlyList<float> StandardDeviation { get; init; } = [];

    internal int Length => Shape[^1];

    internal int NumberOfChannels => Shape.SkipLast(1).Aggregate(1, (product, size) => product * size);

    internal int NumberOfValues => NumberOfChannels * Length;

    internal string ShapeText => string.Join('×', Shape);
}
