// What SmallProduct and Lanes do, for processors without registers of 512 bits: sixteen sums of two halves each would not stay in registers there.
// Every result is added up in the same order, so the bits are the same.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.Transfusion.Torch;

internal static unsafe class HalfRegisters
{
    private const int Count = 8, TileRows = 4, TileColumns = 2 * Count;     // eight sums, two of b and one of a: eleven registers of sixteen

    /// <summary>Whether the tiles here are faster than those of <see cref="SmallProduct"/>; known when code is compiled.</summary>
    public static bool AreAll => !Vector512.IsHardwareAccelerated;

    /// <summary>c[r, j] = Σₖ a[r, k] · b[k, j], or += with <paramref name="add"/>; distances as in <see cref="SmallProduct.Multiply"/>.</summary>
    /// <param name="rows">A multiple of 4.</param>
    /// <param name="columns">A multiple of 16.</param>
    public static void Multiply(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, int columns, int depth, bool add)
    {
        for (int column = 0; column < columns; column += TileColumns)
            for (int row = 0; row < rows; row += TileRows)
                Tile(a + row * aRow, aRow, aStep, b + column, bRow, c + row * cRow + column, cRow, depth, add);
    }

    /// <summary>One row of that.</summary>
    public static void MultiplyRow(float* a, float* b, nint bRow, float* c, int columns, int depth, bool add)
    {
        int column = 0;
        for (; column + 2 * TileColumns <= columns; column += 2 * TileColumns)
        {
            Vector256<float> c0 = default, c1 = default, c2 = default, c3 = default;
            float* values = b + column;
            for (int k = 0; k < depth; k++, values += bRow)
            {
                Vector256<float> factor = Vector256.Create(a[k]);
                AddProducts(ref c0, ref c1, factor, Vector256.Load(values), Vector256.Load(values + Count));
                AddProducts(ref c2, ref c3, factor, Vector256.Load(values + TileColumns), Vector256.Load(values + TileColumns + Count));
            }
            Store(c + column, c0, c1, add);
            Store(c + column + TileColumns, c2, c3, add);
        }
        for (; column < columns; column += TileColumns)
        {
            Vector256<float> c0 = default, c1 = default;
            float* values = b + column;
            for (int k = 0; k < depth; k++, values += bRow)
                AddProducts(ref c0, ref c1, Vector256.Create(a[k]), Vector256.Load(values), Vector256.Load(values + Count));
            Store(c + column, c0, c1, add);
        }
    }

    /// <summary><see cref="Lanes.Exp"/> of half as many numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Exp(Vector256<float> x)
    {
        x = Vector256.MinNative(Vector256.MaxNative(x, Vector256.Create(-87.3f)), Vector256.Create(88f));
        Vector256<float> power = Vector256.Round(x * 1.44269504f);
        Vector256<float> r = Vector256.FusedMultiplyAdd(power, Vector256.Create(-0.693359375f), x);
        r = Vector256.FusedMultiplyAdd(power, Vector256.Create(2.12194440e-4f), r);
        Vector256<float> series = Vector256.Create(1.9875691500e-4f);
        series = Vector256.FusedMultiplyAdd(series, r, Vector256.Create(1.3981999507e-3f));
        series = Vector256.FusedMultiplyAdd(series, r, Vector256.Create(8.3334519073e-3f));
        series = Vector256.FusedMultiplyAdd(series, r, Vector256.Create(4.1665795894e-2f));
        series = Vector256.FusedMultiplyAdd(series, r, Vector256.Create(1.6666665459e-1f));
        series = Vector256.FusedMultiplyAdd(series, r, Vector256.Create(5.0000001201e-1f));
        series = Vector256.FusedMultiplyAdd(series, r * r, r + Vector256<float>.One);
        Vector256<int> exponent = (Vector256.ConvertToInt32Native(power) + Vector256.Create(127)) << 23;
        return series * exponent.AsSingle();
    }

    /// <summary>to[j, i] = from[i, j] of a tile of 16 × 16, by 8 × 8.</summary>
    public static void Transpose(float* from, nint fromRow, float* to, nint toRow)
    {
        for (int row = 0; row < 2 * Count; row += Count)
            for (int column = 0; column < 2 * Count; column += Count)
                TransposeQuarter(from + row * fromRow + column, fromRow, to + column * toRow + row, toRow);
    }

    // Pairs of rows become pairs of columns, then fours; then halves change places.
    private static void TransposeQuarter(float* from, nint fromRow, float* to, nint toRow)
    {
        Vector256<float> r0 = Vector256.Load(from), r1 = Vector256.Load(from + fromRow), r2 = Vector256.Load(from + 2 * fromRow), r3 = Vector256.Load(from + 3 * fromRow);
        float* lower = from + 4 * fromRow;
        Vector256<float> r4 = Vector256.Load(lower), r5 = Vector256.Load(lower + fromRow), r6 = Vector256.Load(lower + 2 * fromRow), r7 = Vector256.Load(lower + 3 * fromRow);
        (Vector256<float> a0, Vector256<float> a1, Vector256<float> a2, Vector256<float> a3) = Columns(r0, r1, r2, r3);
        (Vector256<float> b0, Vector256<float> b1, Vector256<float> b2, Vector256<float> b3) = Columns(r4, r5, r6, r7);
        Avx.Permute2x128(a0, b0, 0x20).Store(to);
        Avx.Permute2x128(a1, b1, 0x20).Store(to + toRow);
        Avx.Permute2x128(a2, b2, 0x20).Store(to + 2 * toRow);
        Avx.Permute2x128(a3, b3, 0x20).Store(to + 3 * toRow);
        Avx.Permute2x128(a0, b0, 0x31).Store(to + 4 * toRow);
        Avx.Permute2x128(a1, b1, 0x31).Store(to + 5 * toRow);
        Avx.Permute2x128(a2, b2, 0x31).Store(to + 6 * toRow);
        Avx.Permute2x128(a3, b3, 0x31).Store(to + 7 * toRow);
    }

    /// <summary>Of four rows the columns 0 to 3, each with the column four further on in its upper half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float>, Vector256<float>, Vector256<float>, Vector256<float>) Columns(Vector256<float> r0, Vector256<float> r1, Vector256<float> r2, Vector256<float> r3)
    {
        Vector256<double> low01 = Avx.UnpackLow(r0, r1).AsDouble(), low23 = Avx.UnpackLow(r2, r3).AsDouble();
        Vector256<double> high01 = Avx.UnpackHigh(r0, r1).AsDouble(), high23 = Avx.UnpackHigh(r2, r3).AsDouble();
        return (Avx.UnpackLow(low01, low23).AsSingle(), Avx.UnpackHigh(low01, low23).AsSingle(), Avx.UnpackLow(high01, high23).AsSingle(), Avx.UnpackHigh(high01, high23).AsSingle());
    }

    private static void Tile(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int depth, bool add)
    {
        Vector256<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default, c30 = default, c31 = default;
        for (int k = 0; k < depth; k++, a += aStep, b += bRow)
        {
            Vector256<float> left = Vector256.Load(b), right = Vector256.Load(b + Count);
            AddProducts(ref c00, ref c01, Vector256.Create(*a), left, right);
            AddProducts(ref c10, ref c11, Vector256.Create(a[aRow]), left, right);
            AddProducts(ref c20, ref c21, Vector256.Create(a[2 * aRow]), left, right);
            AddProducts(ref c30, ref c31, Vector256.Create(a[3 * aRow]), left, right);
        }
        Store(c, c00, c01, add);
        Store(c + cRow, c10, c11, add);
        Store(c + 2 * cRow, c20, c21, add);
        Store(c + 3 * cRow, c30, c31, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddProducts(ref Vector256<float> leftSum, ref Vector256<float> rightSum, Vector256<float> factors, Vector256<float> left, Vector256<float> right)
    {
        leftSum = Vector256.FusedMultiplyAdd(factors, left, leftSum);
        rightSum = Vector256.FusedMultiplyAdd(factors, right, rightSum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* to, Vector256<float> left, Vector256<float> right, bool add)
    {
        (add ? Vector256.Load(to) + left : left).Store(to);
        (add ? Vector256.Load(to + Count) + right : right).Store(to + Count);
    }
}
