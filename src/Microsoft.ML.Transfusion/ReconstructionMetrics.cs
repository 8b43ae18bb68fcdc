// What EvaluateReconstruction gives.
namespace Microsoft.ML.Transfusion;

/// <summary>How close reconstructed pictures are to the real ones.</summary>
public sealed record ReconstructionMetrics
{
    /// <summary>Peak signal-to-noise ratio in decibels: 10 · log₁₀(255² / mean squared error) of each picture's 8-bit values, averaged over pictures. About 24 looks blurred, 30 good, 40 the same.</summary>
    public required double PeakSignalToNoiseRatio { get; init; }

    /// <summary>Mean absolute difference of 8-bit values, averaged over pictures.</summary>
    public required double MeanAbsoluteError { get; init; }

    /// <summary>Pictures that were compared.</summary>
    public required long ImageCount { get; init; }
}
