// Between the two orders of attention's tensors, position by position and head by head, turning rotary pairs on the way. CPU only.
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <param name="byPosition">Contiguous, [B, T, (H + 2·Hkv)·d].</param>
internal sealed unsafe class HeadMover(Tensor byPosition, AttentionLayout layout)
{
    private const int Block = 16;                           // positions whose heads lie in the nearest cache together
    private readonly int _rows = (int)byPosition.shape[0];
    private readonly int _length = (int)byPosition.shape[1];
    private readonly int _size = layout.HeadSize;

    /// <summary>Heads from the first one on into [B, heads, T, d].</summary>
    /// <param name="turn">1: turned to their positions, −1: turned back, 0: as they are.</param>
    public void Split(Tensor byHead, int first, int heads, int turn, float scale = 1) => Move(byHead, first, heads, turn, scale, split: true);

    /// <summary>[B, heads, T, d] back into their places.</summary>
    public void Merge(Tensor byHead, int first, int heads, int turn, float scale = 1) => Move(byHead, first, heads, turn, scale, split: false);

    private void Move(Tensor byHead, int first, int heads, int turn, float scale, bool split)
    {
        if (byPosition.dtype == ScalarType.BFloat16)
            Move<BFloat16Lanes>(byHead, first, heads, turn, scale, split);
        else
            Move<Float32Lanes>(byHead, first, heads, turn, scale, split);
    }

    private void Move<T>(Tensor byHead, int first, int heads, int turn, float scale, bool split) where T : struct, ILanes
    {
        void* positions = CpuKernel.Pointer(byPosition), ofHeads = CpuKernel.Pointer(byHead);
        float[] factors = turn == 0 ? [] : Factors(turn, scale);
        long stride = layout.Width / _size;
        int blocks = (_length + Block - 1) / Block;
        CpuKernel.ForRows((long)_rows * blocks, Block * heads * _size, (begin, end, _) =>
        {
            fixed (float* turns = factors)
                for (long block = begin; block < end; block++)
                {
                    long row = block / blocks, start = block % blocks * Block;
                    int count = (int)Math.Min(Block, _length - start);
                    for (int head = 0; head < heads; head++)
                    {
                        void* ofPosition = T.Row(positions, (row * _length + start) * stride + first + head, _size);
                        void* ofHead = T.Row(ofHeads, (row * heads + head) * _length + start, _size);
                        float* own = turns == null ? null : turns + 2 * start * _size;
                        if (split)
                            Move<T>(ofPosition, stride, ofHead, 1, own, count, _size);
                        else
                            Move<T>(ofHead, 1, ofPosition, stride, own, count, _size);
                    }
                }
        });
    }

    /// <summary>For every position, what each number of a head is multiplied by, then what its neighbour is: cosines and signed sines.</summary>
    private float[] Factors(int turn, float scale)
    {
        float* angles = (float*)CpuKernel.Pointer(layout.Rotary);                                       // [T, d]: cosine and sine of each pair
        float[] factors = new float[2 * _length * _size];
        for (int position = 0; position < _length; position++)
            for (int i = 0; i < _size; i += 2)
            {
                float cosine = scale * angles[position * _size + i], sine = scale * turn * angles[position * _size + i + 1];
                int own = 2 * position * _size + i, neighbour = own + _size;
                (factors[own], factors[own + 1], factors[neighbour], factors[neighbour + 1]) = (cosine, cosine, -sine, sine);
            }
        return factors;
    }

    // One head at neighbouring positions; strides are in heads. (a, b) → (a·cos − b·sin, b·cos + a·sin), or as they are without factors.
    private static void Move<T>(void* from, long fromStride, void* to, long toStride, float* factors, int positions, int size) where T : struct, ILanes
    {
        for (int position = 0; position < positions; position++)
        {
            void* source = T.Row(from, position * fromStride, size), target = T.Row(to, position * toStride, size);
            float* own = factors + 2L * position * size, neighbour = own + size;
            if (Sse.IsSupported)                            // strided rows are beyond what the processor foresees itself
            {
                Sse.Prefetch0(T.Row(from, (position + Block) * fromStride, size));
                Sse.Prefetch0(T.Row(to, (position + Block) * toStride, size));
            }
            for (int i = 0; i < size; i += ILanes.Count)
            {
                Vector512<float> value = Lanes.Load<T>(source, i, size);
                if (factors != null)
                {
                    Vector512<float> neighbours = Vector512.Shuffle(value, Vector512.Create(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
                    value = value * Lanes.Load<Float32Lanes>(own, i, size) + neighbours * Lanes.Load<Float32Lanes>(neighbour, i, size);
                }
                Lanes.Store<T>(target, i, size, value);
            }
        }
    }
}
