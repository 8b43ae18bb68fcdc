// Softmax of attention scores under a Transfusion mask, in place on a CPU: what a position may not see is never read.
using System.Runtime.Intrinsics;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal static unsafe class SoftmaxKernel
{
    private static readonly Vector512<int> Indices = Vector512<int>.Indices;

    /// <summary>Scores [.., T, T], row after row of the batch → probabilities; 0 from a position's count of visible ones on.</summary>
    public static void Forward(Tensor scores, int[][] visible)
    {
        if (scores.dtype == ScalarType.BFloat16)
            Forward<BFloat16Lanes>(scores, visible);
        else
            Forward<Float32Lanes>(scores, visible);
    }

    /// <summary>The gradient of the probabilities p → of the scores: p · (g − Σ p·g).</summary>
    public static void Backward(Tensor gradient, Tensor weights, int[][] visible)
    {
        if (gradient.dtype == ScalarType.BFloat16)
            Backward<BFloat16Lanes>(gradient, weights, visible);
        else
            Backward<Float32Lanes>(gradient, weights, visible);
    }

    private static void Forward<T>(Tensor scores, int[][] visible) where T : struct, ILanes
    {
        int length = visible[0].Length;
        long rows = scores.NumberOfElements / length;
        void* start = CpuKernel.Pointer(scores);
        CpuKernel.ForRows(rows, length, (begin, end, _) =>
        {
            float[] buffer = new float[(length + ILanes.Count - 1) / ILanes.Count * ILanes.Count];
            fixed (float* exponentials = buffer)
                for (long row = begin; row < end; row++)
                    Softmax<T>(T.Row(start, row, length), length, Count(visible, row, rows), exponentials);
        });
    }

    private static void Softmax<T>(void* row, int length, int count, float* exponentials) where T : struct, ILanes
    {
        Vector512<float> largest = Vector512.Create(float.NegativeInfinity);
        for (int i = 0; i < count; i += ILanes.Count)
        {
            Vector512<float> score = Vector512.ConditionalSelect(Inside(i, count), Lanes.Load<T>(row, i, length), Vector512.Create(float.NegativeInfinity));
            score.Store(exponentials + i);
            largest = Vector512.Max(largest, score);
        }
        Vector512<float> most = Vector512.Create(Largest(largest)), sum = default;
        for (int i = 0; i < count; i += ILanes.Count)
        {
            Vector512<float> exponential = Vector512.ConditionalSelect(Inside(i, count), Lanes.Exp(Vector512.Load(exponentials + i) - most), Vector512<float>.Zero);
            exponential.Store(exponentials + i);
            sum += exponential;
        }
        float share = 1 / Vector512.Sum(sum);
        for (int i = 0; i < length; i += ILanes.Count)
            Lanes.Store<T>(row, i, length, i < count ? Vector512.Load(exponentials + i) * share : Vector512<float>.Zero);
    }

    private static void Backward<T>(Tensor gradient, Tensor weights, int[][] visible) where T : struct, ILanes
    {
        int length = visible[0].Length;
        long rows = gradient.NumberOfElements / length;
        void* g = CpuKernel.Pointer(gradient), p = CpuKernel.Pointer(weights);
        CpuKernel.ForRows(rows, length, (begin, end, _) =>
        {
            for (long row = begin; row < end; row++)
                Backward<T>(T.Row(g, row, length), T.Row(p, row, length), length, Count(visible, row, rows));
        });
    }

    private static void Backward<T>(void* g, void* p, int length, int count) where T : struct, ILanes
    {
        Vector512<float> products = default;
        for (int i = 0; i < count; i += ILanes.Count)
            products = Vector512.FusedMultiplyAdd(Lanes.Load<T>(g, i, length), Lanes.Load<T>(p, i, length), products);
        Vector512<float> sum = Vector512.Create(Vector512.Sum(products));
        for (int i = 0; i < length; i += ILanes.Count)
            Lanes.Store<T>(g, i, length, i < count ? Lanes.Load<T>(p, i, length) * (Lanes.Load<T>(g, i, length) - sum) : Vector512<float>.Zero);
    }

    /// <summary>What a row of scores may see.</summary>
    private static int Count(int[][] visible, long row, long rows) => visible[row * visible.Length / rows][row % visible[0].Length];

    private static Vector512<float> Inside(int at, int count) => Vector512.LessThan(Indices, Vector512.Create(count - at)).AsSingle();

    private static float Largest(Vector512<float> values)
    {
        Vector256<float> half = Vector256.Max(values.GetLower(), values.GetUpper());
        Vector128<float> quarter = Vector128.Max(half.GetLower(), half.GetUpper());
        return MathF.Max(MathF.Max(quarter[0], quarter[1]), MathF.Max(quarter[2], quarter[3]));
    }
}
