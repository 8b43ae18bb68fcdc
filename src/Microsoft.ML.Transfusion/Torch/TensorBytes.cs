// The memory of tensors as bytes, a part at a time: a span cannot show more than 2 GB, and a part is all that is ever buffered.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

internal static class TensorBytes
{
    private const int ChunkLength = 1 << 22;

    public delegate void ChunkAction(Span<byte> bytes);

    /// <summary>Shows the values of a tensor of any device and layout, row-major.</summary>
    public static void ForEachChunk(Tensor tensor, ChunkAction action)
    {
        using var scope = NewDisposeScope();
        Tensor flat = tensor.detach().reshape(-1);
        int elements = ChunkLength / (int)flat.ElementSize;
        for (long start = 0; start < flat.NumberOfElements; start += elements)
        {
            using var step = NewDisposeScope();
            action(flat.narrow(0, start, Math.Min(elements, flat.NumberOfElements - start)).cpu().contiguous().bytes);
        }
    }

    /// <summary>Makes a tensor of what <paramref name="fill"/> gives for its parts in order.</summary>
    public static Tensor Read(long[] shape, ScalarType type, ChunkAction fill)
    {
        using var scope = NewDisposeScope();
        Tensor tensor = empty(shape, dtype: type);
        ForEachChunk(tensor, fill);
        return tensor.MoveToOuterDisposeScope();
    }

    /// <summary>Overwrites the values of a contiguous tensor of any device with what <paramref name="fill"/> gives for its parts in order.</summary>
    public static void Fill(Tensor tensor, ChunkAction fill)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor flat = tensor.view(-1);
        int elements = ChunkLength / (int)flat.ElementSize;
        for (long start = 0; start < flat.NumberOfElements; start += elements)
        {
            using var step = NewDisposeScope();
            Tensor part = flat.narrow(0, start, Math.Min(elements, flat.NumberOfElements - start));
            part.copy_(Read(part.shape, part.dtype, fill));
        }
    }

    /// <summary>The same as <see cref="Read"/>, taking memory only as bytes arrive: for a shape that the bytes may not live up to.</summary>
    public static Tensor ReadUntrusted(long[] shape, ScalarType type, ChunkAction fill)
    {
        using var scope = NewDisposeScope();
        List<Tensor> parts = [empty([0], dtype: type)];
        long count = shape.Aggregate(1L, (product, size) => product * size);
        int elements = ChunkLength / (int)parts[0].ElementSize;
        for (long start = 0; start < count; start += elements)
            parts.Add(Read([Math.Min(elements, count - start)], type, fill));
        return cat(parts, 0).reshape(shape).MoveToOuterDisposeScope();
    }
}
