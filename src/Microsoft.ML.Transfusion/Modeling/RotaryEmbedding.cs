// Rotary position embedding (Su et al. 2021): neighbouring channels of a head are one complex number, turned by position · frequency.
// Interleaved pairs, as in Meta's Llama; a complex product is the fastest form of it that libtorch has.
using Microsoft.ML.Transfusion.Torch;
using static Microsoft.ML.Transfusion.Torch.Arithmetic;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal static class RotaryEmbedding
{
    /// <summary>e^(i · position · θ^(−2k / headSize)) for every position and pair k: complex [length, 1, headSize / 2].</summary>
    public static Tensor Table(int length, int headSize, double theta, Device device, RopeScaling? scaling = null)
    {
        using var scope = NewDisposeScope();
        Tensor frequencies = pow(theta, Arange(headSize, ScalarType.Float64, step: 2).DividedBy(-headSize));         // [headSize / 2]
        if (scaling is not null)
            frequencies = Scale(frequencies, scaling);
        Tensor angles = outer(Arange(length, ScalarType.Float64), frequencies).unsqueeze(1);
        return polar(ones_like(angles), angles).to(ScalarType.ComplexFloat32).to(device).MoveToOuterDisposeScope();
    }

    /// <summary>Llama 3.1's longer context: slow turns are slowed by the factor, fast ones stay, and those between are mixed by their turns in the original context.</summary>
    private static Tensor Scale(Tensor frequencies, RopeScaling scaling)
    {
        Tensor turns = frequencies.Times(scaling.OriginalMaxSequenceLength / (2 * Math.PI));
        Tensor kept = turns.Minus(scaling.LowFrequencyFactor).DividedBy(scaling.HighFrequencyFactor - scaling.LowFrequencyFactor).Clamp(0, 1);
        return frequencies * kept.Plus((-kept).Plus(1).DividedBy(scaling.Factor));
    }

    /// <summary>Turns queries or keys [B, T, H, headSize] by the table's rows for their positions [T, 1, headSize / 2].</summary>
    public static Tensor Apply(Tensor heads, Tensor table)
    {
        using var scope = NewDisposeScope();
        Tensor pairs = heads.to(ScalarType.Float32).reshape(heads.shape[0], heads.shape[1], heads.shape[2], heads.shape[3] / 2, 2);
        return (pairs.view_as_complex() * table).view_as_real().reshape(heads.shape).to(heads.dtype).MoveToOuterDisposeScope();
    }
}
