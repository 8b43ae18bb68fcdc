// The number format of the forward and backward pass.
namespace Microsoft.ML.Transfusion;

/// <summary>The number format that the network computes in while it trains. Master weights are always 32-bit.</summary>
public enum TrainingPrecision
{
    /// <summary><see cref="BFloat16"/> where the processor or GPU multiplies it natively, else <see cref="Float32"/>.</summary>
    Auto,

    /// <summary>32-bit floating point.</summary>
    Float32,

    /// <summary>16-bit brain floating point, with 32-bit master weights.</summary>
    BFloat16,
}
