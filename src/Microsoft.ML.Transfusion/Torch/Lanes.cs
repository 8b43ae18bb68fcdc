// Sixteen numbers at a time from a tensor's memory, 32-bit in registers whatever they are in memory: what the fused CPU kernels are written with.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.Transfusion.Torch;

internal unsafe interface ILanes
{
    /// <summary>Numbers in one register.</summary>
    const int Count = 16;

    static abstract Vector512<float> Load(void* row, int at);

    static abstract void Store(void* row, int at, Vector512<float> values);

    static abstract float LoadOne(void* row, int at);

    static abstract void StoreOne(void* row, int at, float value);

    /// <summary>Where a row begins.</summary>
    static abstract void* Row(void* start, long row, int size);
}

internal readonly unsafe struct Float32Lanes : ILanes
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(void* row, int at) => Vector512.Load((float*)row + at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(void* row, int at, Vector512<float> values) => values.Store((float*)row + at);

    public static float LoadOne(void* row, int at) => ((float*)row)[at];

    public static void StoreOne(void* row, int at, float value) => ((float*)row)[at] = value;

    public static void* Row(void* start, long row, int size) => (float*)start + row * size;
}

/// <summary>The upper halves of 32-bit numbers, rounded to nearest, ties to even.</summary>
internal readonly unsafe struct BFloat16Lanes : ILanes
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(void* row, int at)
    {
        Vector256<ushort> halves = Vector256.Load((ushort*)row + at);
        Vector512<uint> wide = Avx512F.IsSupported
            ? Avx512F.ConvertToVector512UInt32(halves)
            : Vector512.Create(Vector256.WidenLower(halves), Vector256.WidenUpper(halves));
        return (wide << 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(void* row, int at, Vector512<float> values)
    {
        Vector512<uint> bits = values.AsUInt32();
        Vector512<uint> rounded = (bits + Vector512.Create(0x7FFFu) + ((bits >>> 16) & Vector512<uint>.One)) >>> 16;
        Vector256<ushort> halves = Avx512F.IsSupported ? Avx512F.ConvertToVector256UInt16(rounded) : Vector256.Narrow(rounded.GetLower(), rounded.GetUpper());
        halves.Store((ushort*)row + at);
    }

    public static float LoadOne(void* row, int at) => BitConverter.UInt32BitsToSingle((uint)((ushort*)row)[at] << 16);

    public static void StoreOne(void* row, int at, float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        ((ushort*)row)[at] = (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    public static void* Row(void* start, long row, int size) => (ushort*)start + row * size;
}

internal static unsafe class Lanes
{
    /// <summary>Numbers of a row from a place on; zeros where fewer than a register are left.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load<T>(void* row, int at, int size) where T : struct, ILanes =>
        at + ILanes.Count <= size ? T.Load(row, at) : LoadRest<T>(row, at, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(void* row, int at, int size, Vector512<float> values) where T : struct, ILanes
    {
        if (at + ILanes.Count <= size)
            T.Store(row, at, values);
        else
            StoreRest<T>(row, at, size, values);
    }

    /// <summary>The same, where the caller knows whether a whole register is left: loops that do not ask are a third faster.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load<T>(void* row, int at, int size, bool whole) where T : struct, ILanes => whole ? T.Load(row, at) : LoadRest<T>(row, at, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(void* row, int at, int size, bool whole, Vector512<float> values) where T : struct, ILanes
    {
        if (whole)
            T.Store(row, at, values);
        else
            StoreRest<T>(row, at, size, values);
    }

    /// <summary>eˣ to about one unit in the last place (Cephes' expf): 2ⁿ · e^r with |r| ≤ ½ ln 2. 0 far below, +∞ never: softmax and σ ask for no x above 88.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        if (!Avx512F.IsSupported)                           // the compiler would not inline the halves of all this: eleven times as slow
            return Vector512.Create(HalfRegisters.Exp(x.GetLower()), HalfRegisters.Exp(x.GetUpper()));
        x = Vector512.MinNative(Vector512.MaxNative(x, Vector512.Create(-87.3f)), Vector512.Create(88f));
        Vector512<float> power = Vector512.Round(x * 1.44269504f);
        Vector512<float> r = Vector512.FusedMultiplyAdd(power, Vector512.Create(-0.693359375f), x);
        r = Vector512.FusedMultiplyAdd(power, Vector512.Create(2.12194440e-4f), r);
        Vector512<float> series = Vector512.Create(1.9875691500e-4f);
        series = Vector512.FusedMultiplyAdd(series, r, Vector512.Create(1.3981999507e-3f));
        series = Vector512.FusedMultiplyAdd(series, r, Vector512.Create(8.3334519073e-3f));
        series = Vector512.FusedMultiplyAdd(series, r, Vector512.Create(4.1665795894e-2f));
        series = Vector512.FusedMultiplyAdd(series, r, Vector512.Create(1.6666665459e-1f));
        series = Vector512.FusedMultiplyAdd(series, r, Vector512.Create(5.0000001201e-1f));
        series = Vector512.FusedMultiplyAdd(series, r * r, r + Vector512<float>.One);
        return Avx512F.Scale(series, power);
    }

    /// <summary>1 / (1 + e⁻ˣ).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Sigmoid(Vector512<float> x) => Vector512<float>.One / (Vector512<float>.One + Exp(-x));

    /// <summary>Pairwise, in fewer steps than <see cref="Vector512.Sum{T}"/>, which adds in the order of a loop.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector512<float> values)
    {
        Vector256<float> half = values.GetLower() + values.GetUpper();
        Vector128<float> quarter = half.GetLower() + half.GetUpper();
        quarter += Vector128.Shuffle(quarter, Vector128.Create(2, 3, 0, 1));
        return quarter[0] + quarter[1];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(Vector512<float> values)
    {
        Vector256<float> half = Vector256.MaxNative(values.GetLower(), values.GetUpper());
        Vector128<float> quarter = Vector128.MaxNative(half.GetLower(), half.GetUpper());
        quarter = Vector128.MaxNative(quarter, Vector128.Shuffle(quarter, Vector128.Create(2, 3, 0, 1)));
        return float.MaxNative(quarter[0], quarter[1]);
    }

    private static Vector512<float> LoadRest<T>(void* row, int at, int size) where T : struct, ILanes
    {
        float* values = stackalloc float[ILanes.Count];     // zeros
        for (int i = at; i < size; i++)
            values[i - at] = T.LoadOne(row, i);
        return Vector512.Load(values);
    }

    private static void StoreRest<T>(void* row, int at, int size, Vector512<float> values) where T : struct, ILanes
    {
        for (int i = at; i < size; i++)
            T.StoreOne(row, i, values.GetElement(i - at));
    }
}
