// One head at neighbouring positions between a tensor, where the heads of a position lie side by side, and 32-bit rows in the cache. Rotary pairs
// are turned on the way.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal static unsafe class HeadRows
{
    private const int Ahead = 16;                           // strided rows are beyond what the processor foresees itself

    /// <summary>For every position what each number of a head is multiplied by, then what its neighbour is: cosines and signed sines; [T, 2, d].</summary>
    /// <param name="rotary">Rows of <see cref="RotaryEmbedding.Table"/>, [T, 1, d / 2], on the CPU.</param>
    public static float[] Turns(Tensor rotary)
    {
        int positions = (int)rotary.shape[0], size = 2 * (int)rotary.shape[2];
        float* angles = (float*)CpuKernel.Pointer(rotary);                                              // cosine and sine of each pair
        float[] turns = new float[2 * positions * size];
        for (int position = 0; position < positions; position++)
            for (int i = 0; i < size; i += 2)
            {
                float cosine = angles[position * size + i], sine = angles[position * size + i + 1];
                int own = 2 * position * size + i, neighbour = own + size;
                (turns[own], turns[own + 1], turns[neighbour], turns[neighbour + 1]) = (cosine, cosine, -sine, sine);
            }
        return turns;
    }

    /// <summary>Moves rows of <paramref name="size"/> numbers; distances between rows are in numbers.</summary>
    /// <param name="turns">The first position's factors; null: rows stay as they are.</param>
    /// <param name="direction">1: turned to their positions, −1: turned back.</param>
    /// <param name="scale">What turned rows are multiplied by.</param>
    public static void Move<TFrom, TTo>(void* from, int fromRow, void* to, int toRow, int positions, int size, float* turns = null, int direction = 1, float scale = 1)
        where TFrom : struct, ILanes where TTo : struct, ILanes
    {
        for (int position = 0; position < positions; position++)
        {
            void* source = TFrom.Row(from, position, fromRow), target = TTo.Row(to, position, toRow);
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(TFrom.Row(from, position + Ahead, fromRow));
                Sse.Prefetch0(TTo.Row(to, position + Ahead, toRow));
            }
            float* own = turns + 2L * position * size;
            int i = 0;
            for (; i + ILanes.Count <= size; i += ILanes.Count)
                Move<TFrom, TTo>(source, target, turns == null ? null : own, direction * scale, scale, i, size, whole: true);
            if (i < size)
                Move<TFrom, TTo>(source, target, turns == null ? null : own, direction * scale, scale, i, size, whole: false);
        }
    }

    // (a, b) → (a·cos − b·sin, b·cos + a·sin), or as they are without factors.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Move<TFrom, TTo>(void* source, void* target, float* own, float direction, float scale, int i, int size, bool whole)
        where TFrom : struct, ILanes where TTo : struct, ILanes
    {
        Vector512<float> value = Lanes.Load<TFrom>(source, i, size, whole);
        if (own != null)
        {
            Vector512<float> cosines = Lanes.Load<Float32Lanes>(own, i, size, whole) * scale, sines = Lanes.Load<Float32Lanes>(own + size, i, size, whole) * direction;
            value = Vector512.FusedMultiplyAdd(value, cosines, Neighbours(value) * sines);
        }
        Lanes.Store<TTo>(target, i, size, whole, value);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Neighbours(Vector512<float> value)
    {
        if (Vector512.IsHardwareAccelerated)
            return Vector512.Shuffle(value, Vector512.Create(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
        Vector256<int> order = Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6);
        return Vector512.Create(Vector256.Shuffle(value.GetLower(), order), Vector256.Shuffle(value.GetUpper(), order));
    }
}
