// Keys and values of one row as products in the cache want them: keys transposed, whole registers. Memory is as it was found but for the rest of the
// last register in use, which is read too and is zeros.
using System.Runtime.InteropServices;
using Microsoft.ML.Transfusion.Torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed unsafe class CpuRowCache : RowCache
{
    private const int Alignment = 64;
    private readonly int _layers;
    private readonly int _heads;
    private readonly float* _start;                         // [layers][heads][keys [size][stride], values [stride][size]]

    /// <param name="size">Numbers in a head, in whole registers.</param>
    public CpuRowCache(int layers, int heads, int size, int capacity) : base(capacity)
    {
        (_layers, _heads, Size) = (layers, heads, size);
        Stride = (capacity + ILanes.Count - 1) / ILanes.Count * ILanes.Count + ILanes.Count;           // rows a power of two apart would fall on the same lines of the cache
        _start = (float*)NativeMemory.AlignedAlloc((nuint)Bytes, Alignment);
    }

    public override long Bytes => 2L * _layers * _heads * Size * Stride * sizeof(float);

    public int Size { get; }

    /// <summary>From row to row of transposed keys.</summary>
    public int Stride { get; }

    /// <summary>[size][stride].</summary>
    public float* KeysTransposed(int layer, int head) => _start + 2L * (layer * _heads + head) * Size * Stride;

    /// <summary>[stride][size].</summary>
    public float* Values(int layer, int head) => KeysTransposed(layer, head) + (long)Size * Stride;

    /// <summary>Zeros from the last position in use to the end of its register, keys and values; of a head.</summary>
    public void ClearAfter(int positions, float* keys, float* values)
    {
        int rest = PackedAttention.Rounded(positions) - positions;
        for (int row = 0; row < Size; row++)
            new Span<float>(keys + (long)row * Stride + positions, rest).Clear();
        new Span<float>(values + (long)positions * Size, rest * Size).Clear();
    }

    public override void Dispose() => NativeMemory.AlignedFree(_start);

    protected override RowCache CopyTo(int capacity, int length)
    {
        var copy = new CpuRowCache(_layers, _heads, Size, capacity);
        for (int layer = 0; layer < _layers; layer++)
            for (int head = 0; head < _heads; head++)
            {
                for (int row = 0; row < Size; row++)
                    Copy(KeysTransposed(layer, head) + (long)row * Stride, copy.KeysTransposed(layer, head) + (long)row * copy.Stride, length);
                Copy(Values(layer, head), copy.Values(layer, head), length * Size);
                copy.ClearAfter(length, copy.KeysTransposed(layer, head), copy.Values(layer, head));
            }
        return copy;

        static void Copy(float* from, float* to, int count) => new Span<float>(from, count).CopyTo(new Span<float>(to, count));
    }
}
