// RMSNorm on a CPU: one pass over a row for its statistics, one for its values, both while it is in the nearest cache.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal static unsafe class RmsNormKernel
{
    /// <summary>n = x · s · w with s = 1/√(mean(x²) + ε): contiguous [.., D] → the same and s, 32-bit [rows].</summary>
    public static (Tensor Output, Tensor Scale) Forward(Tensor input, Tensor weight, double epsilon) =>
        input.dtype == ScalarType.BFloat16 ? Forward<BFloat16Lanes>(input, weight, epsilon) : Forward<Float32Lanes>(input, weight, epsilon);

    /// <summary>dx = s · (g·w − x·s · mean(g·w·x·s)), dw = Σ g·x·s over rows.</summary>
    public static (Tensor Input, Tensor Weight) Backward(Tensor gradient, Tensor input, Tensor weight, Tensor scale) =>
        input.dtype == ScalarType.BFloat16 ? Backward<BFloat16Lanes>(gradient, input, weight, scale) : Backward<Float32Lanes>(gradient, input, weight, scale);

    private static (Tensor, Tensor) Forward<T>(Tensor input, Tensor weight, double epsilon) where T : struct, ILanes
    {
        int size = (int)weight.shape[0];
        long rows = input.NumberOfElements / size;
        Tensor output = empty_like(input), scale = empty(rows, ScalarType.Float32);
        void* x = CpuKernel.Pointer(input), w = CpuKernel.Pointer(weight), y = CpuKernel.Pointer(output);
        float* s = (float*)CpuKernel.Pointer(scale);
        CpuKernel.ForRows(rows, size, (begin, end, _) =>
        {
            for (long row = begin; row < end; row++)
                s[row] = Forward<T>(T.Row(x, row, size), w, T.Row(y, row, size), size, epsilon);
        });
        return (output, scale);
    }

    /// <summary>One row; returns its s.</summary>
    public static float Forward<T>(void* x, void* w, void* y, int size, double epsilon) where T : struct, ILanes
    {
        Vector512<float> squares = default;
        int i = 0;
        for (; i + ILanes.Count <= size; i += ILanes.Count)
            squares = AddSquares<T>(squares, x, i, size, whole: true);
        if (i < size)
            squares = AddSquares<T>(squares, x, i, size, whole: false);
        float scale = 1 / MathF.Sqrt(Lanes.Sum(squares) / size + (float)epsilon);
        for (i = 0; i + ILanes.Count <= size; i += ILanes.Count)
            Normalize<T>(x, w, y, scale, i, size, whole: true);
        if (i < size)
            Normalize<T>(x, w, y, scale, i, size, whole: false);
        return scale;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> AddSquares<T>(Vector512<float> sum, void* x, int i, int size, bool whole) where T : struct, ILanes
    {
        Vector512<float> value = Lanes.Load<T>(x, i, size, whole);
        return Vector512.FusedMultiplyAdd(value, value, sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Normalize<T>(void* x, void* w, void* y, float scale, int i, int size, bool whole) where T : struct, ILanes =>
        Lanes.Store<T>(y, i, size, whole, Lanes.Load<T>(x, i, size, whole) * scale * Lanes.Load<T>(w, i, size, whole));

    private static (Tensor, Tensor) Backward<T>(Tensor gradient, Tensor input, Tensor weight, Tensor scale) where T : struct, ILanes
    {
        int size = (int)weight.shape[0];
        long rows = input.NumberOfElements / size;
        Tensor inputGradient = empty_like(input), weightGradients = zeros(CpuKernel.Ranges(rows, size), size);
        void* g = CpuKernel.Pointer(gradient), x = CpuKernel.Pointer(input), w = CpuKernel.Pointer(weight), dx = CpuKernel.Pointer(inputGradient);
        float* s = (float*)CpuKernel.Pointer(scale), dw = (float*)CpuKernel.Pointer(weightGradients);
        CpuKernel.ForRows(rows, size, (begin, end, range) =>
        {
            for (long row = begin; row < end; row++)
                Backward<T>(T.Row(g, row, size), T.Row(x, row, size), w, s[row], T.Row(dx, row, size), dw + range * size, size);
        });
        return (inputGradient, weightGradients.sum(dim: 0));
    }

    private static void Backward<T>(void* g, void* x, void* w, float scale, void* dx, float* dw, int size) where T : struct, ILanes
    {
        Vector512<float> products = default;
        int i = 0;
        for (; i + ILanes.Count <= size; i += ILanes.Count)
            products = AddProducts<T>(products, g, x, w, scale, dw, i, size, whole: true);
        if (i < size)
            products = AddProducts<T>(products, g, x, w, scale, dw, i, size, whole: false);
        float share = Lanes.Sum(products) / size * scale * scale;
        for (i = 0; i + ILanes.Count <= size; i += ILanes.Count)
            InputGradient<T>(g, x, w, scale, share, dx, i, size, whole: true);
        if (i < size)
            InputGradient<T>(g, x, w, scale, share, dx, i, size, whole: false);
    }

    /// <summary>Σ g·w·x·s, and on the way dw.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> AddProducts<T>(Vector512<float> sum, void* g, void* x, void* w, float scale, float* dw, int i, int size, bool whole) where T : struct, ILanes
    {
        Vector512<float> ofWeight = Lanes.Load<T>(g, i, size, whole) * Lanes.Load<T>(x, i, size, whole) * scale;
        Lanes.Store<Float32Lanes>(dw, i, size, whole, Lanes.Load<Float32Lanes>(dw, i, size, whole) + ofWeight);
        return Vector512.FusedMultiplyAdd(ofWeight, Lanes.Load<T>(w, i, size, whole), sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void InputGradient<T>(void* g, void* x, void* w, float scale, float share, void* dx, int i, int size, bool whole) where T : struct, ILanes
    {
        Vector512<float> direct = Lanes.Load<T>(g, i, size, whole) * Lanes.Load<T>(w, i, size, whole) * scale;
        Lanes.Store<T>(dx, i, size, whole, Vector512.FusedMultiplyAdd(Lanes.Load<T>(x, i, size, whole), Vector512.Create(-share), direct));
    }
}
