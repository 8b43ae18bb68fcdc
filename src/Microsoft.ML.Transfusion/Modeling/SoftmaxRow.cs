// Softmax of one row of scores in the cache, whole registers at a time.
using System.Runtime.Intrinsics;
using Microsoft.ML.Transfusion.Torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal static unsafe class SoftmaxRow
{
    /// <summary>The largest of the first scores; −∞ of none.</summary>
    public static float Largest(float* row, int count)
    {
        Vector512<float> largest = Vector512.Create(float.NegativeInfinity);
        int i = 0;
        for (; i + ILanes.Count <= count; i += ILanes.Count)
            largest = Vector512.MaxNative(largest, Vector512.Load(row + i));
        if (i < count)
            largest = Vector512.MaxNative(largest, Vector512.ConditionalSelect(Inside(i, count), Vector512.Load(row + i), Vector512.Create(float.NegativeInfinity)));
        return Lanes.Largest(largest);
    }

    /// <summary>Scores → exp(score − subtracted), zeros from <paramref name="count"/> to <paramref name="seen"/>; returns their sum.</summary>
    public static float Exponentials(float* row, float subtracted, int count, int seen)
    {
        Vector512<float> least = Vector512.Create(subtracted), sum = default;
        int i = 0;
        for (; i + ILanes.Count <= count; i += ILanes.Count)
        {
            Vector512<float> exponential = Lanes.Exp(Vector512.Load(row + i) - least);
            exponential.Store(row + i);
            sum += exponential;
        }
        if (i < count)
        {
            Vector512<float> exponential = Vector512.ConditionalSelect(Inside(i, count), Lanes.Exp(Vector512.Load(row + i) - least), default);
            exponential.Store(row + i);
            sum += exponential;
            i += ILanes.Count;
        }
        for (; i < seen; i += ILanes.Count)
            Vector512<float>.Zero.Store(row + i);
        return Lanes.Sum(sum);
    }

    public static void Multiply(float* row, float factor, int size)
    {
        for (int i = 0; i < size; i += ILanes.Count)
            (Vector512.Load(row + i) * factor).Store(row + i);
    }

    private static Vector512<float> Inside(int at, int count) => Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(count - at)).AsSingle();
}
