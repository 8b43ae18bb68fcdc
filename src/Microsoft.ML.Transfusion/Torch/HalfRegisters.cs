// The sums of SmallProduct for processors without registers of 512 bits, where sixteen sums of two halves each would not stay in registers. Every
// result is added up in the same order, so the bits are the same.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

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
