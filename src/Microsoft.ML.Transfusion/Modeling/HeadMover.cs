// Between the two orders of attention's tensors, position by position and head by head, turning rotary pairs on the way. CPU only.
using System.Runtime.Intrinsics;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <param name="byPosition">Contiguous, [B, T, (H + 2·Hkv)·d].</param>
internal sealed unsafe class HeadMover(Tensor byPosition, AttentionLayout layout)
{
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
        CpuKernel.ForRows((long)_rows * _length, heads * _size, (begin, end, _) =>
        {
            fixed (float* turns = factors)
                for (long at = begin; at < end; at++)       // position by position: both sides are then read and written in order
                {
                    (long row, long position) = Math.DivRem(at, _length);
                    void* ofPosition = T.Row(positions, at * stride + first, _size), ofHead = T.Row(ofHeads, row * heads * _length + position, _size);
                    float* own = turns == null ? null : turns + 2 * position * _size;
                    if (split)
                        Move<T>(ofPosition, 1, ofHead, _length, own, heads, _size);
                    else
                        Move<T>(ofHead, _length, ofPosition, 1, own, heads, _size);
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

    // All heads of one position; strides are in heads. (a, b) → (a·cos − b·sin, b·cos + a·sin), or as they are without factors.
    private static void Move<T>(void* from, long fromStride, void* to, long toStride, float* factors, int heads, int size) where T : struct, ILanes
    {
        for (int i = 0; i < size; i += ILanes.Count)
        {
            bool turns = factors != null;
            Vector512<float> own = turns ? Lanes.Load<Float32Lanes>(factors, i, size) : Vector512<float>.One;
            Vector512<float> neighbour = turns ? Lanes.Load<Float32Lanes>(factors + size, i, size) : Vector512<float>.Zero;
            for (int head = 0; head < heads; head++)
            {
                Vector512<float> value = Lanes.Load<T>(T.Row(from, head * fromStride, size), i, size);
                if (turns)
                    value = value * own + Vector512.Shuffle(value, Vector512.Create(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)) * neighbour;
                Lanes.Store<T>(T.Row(to, head * toStride, size), i, size, value);
            }
        }
    }
}
