// One line of a safetensors header: what a tensor is and where its bytes lie.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

/// <param name="Begin">In bytes, counted from the end of the header.</param>
/// <param name="Length">In bytes.</param>
internal sealed record SafeTensorsEntry(string Name, SafeTensorsType Type, long[] Shape, long Begin, long Length)
{
    public long End => Begin + Length;

    /// <summary>Whether shape and type need just the entry's bytes. What libtorch could not count, strides included, never fits.</summary>
    public bool Fits()
    {
        UInt128 elements = 1, strides = 1;
        foreach (long size in Shape)
        {
            elements *= (UInt128)size;
            strides *= (UInt128)Math.Max(size, 1);
            if (strides > long.MaxValue / 8)
                return false;
        }
        return Type.Bits == 0 || elements * (UInt128)Type.Bits == (UInt128)Length * 8;
    }

    /// <exception cref="FormatException">TorchSharp has no such type.</exception>
    public ScalarType RequireScalar(string source) => Type.Scalar
        ?? throw new FormatException($"{source} holds tensor '{Name}' as {Type.Name}; this library reads {SafeTensorsType.Readable}. Convert the tensor to one of these.");
}
