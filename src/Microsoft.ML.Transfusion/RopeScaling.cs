// Rotary positions stretched to a longer context, as Llama 3.1 does ("rope_type": "llama3").
namespace Microsoft.ML.Transfusion;

/// <summary>How rotary frequencies are changed for a context longer than the one they were first trained with. Immutable.</summary>
/// <remarks>A pair of a head's values that turns more than <see cref="HighFrequencyFactor"/> times in the original context stays as it is; one that turns less than <see cref="LowFrequencyFactor"/> times turns <see cref="Factor"/> times slower; those between are mixed.</remarks>
public sealed record RopeScaling
{
    /// <summary>By how much slow turns are slowed, above 0; 8, Llama 3.1's, by default.</summary>
    public double Factor { get; init; } = 8;

    /// <summary>Turns in the original context below which a frequency is slowed in full, at least 0; 1 by default.</summary>
    public double LowFrequencyFactor { get; init; } = 1;

    /// <summary>Turns in the original context above which a frequency stays, more than <see cref="LowFrequencyFactor"/>; 4 by default.</summary>
    public double HighFrequencyFactor { get; init; } = 4;

    /// <summary>The context in positions before stretching, at least 1; 8192 by default.</summary>
    public int OriginalMaxSequenceLength { get; init; } = 8192;
}
