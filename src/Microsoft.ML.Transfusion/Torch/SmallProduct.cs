// Products of 32-bit matrices that lie in the cache, rows one after the other: what attention is made of, where a call into libtorch for each head
// would cost more than the product.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.Transfusion.Torch;

internal static unsafe class SmallProduct
{
    /// <summary>Results are computed in tiles of so many rows …</summary>
    public const int TileRows = 8;

    /// <summary>… and twice so many columns while there are as many: sixteen registers of sums.</summary>
    public const int TileColumns = ILanes.Count;

    /// <summary>c[r, j] = Σₖ a[r, k] · b[k, j], or += with <paramref name="add"/>. Distances are in numbers.</summary>
    /// <param name="aRow">From a[r, k] to a[r + 1, k].</param>
    /// <param name="aStep">From a[r, k] to a[r, k + 1]: a may be transposed.</param>
    /// <param name="rows">A multiple of <see cref="TileRows"/>.</param>
    /// <param name="columns">A multiple of <see cref="TileColumns"/>.</param>
    public static void Multiply(float* a, int aRow, int aStep, float* b, int bRow, float* c, int cRow, int rows, int columns, int depth, bool add)
    {
        if (HalfRegisters.AreAll)
        {
            HalfRegisters.Multiply(a, aRow, aStep, b, bRow, c, cRow, rows, columns, depth, add);
            return;
        }
        int column = 0;
        for (; column + 2 * TileColumns <= columns; column += 2 * TileColumns)
            for (int row = 0; row < rows; row += TileRows)
                Tile(a + (nint)row * aRow, aRow, aStep, b + column, bRow, c + (nint)row * cRow + column, cRow, depth, add);
        if (column < columns)
            for (int row = 0; row < rows; row += TileRows)
                NarrowTile(a + (nint)row * aRow, aRow, aStep, b + column, bRow, c + (nint)row * cRow + column, cRow, depth, add);
    }

    /// <summary>c[j] = Σₖ a[k] · b[k, j], the same bits that <see cref="Multiply"/> gives a row.</summary>
    /// <param name="columns">A multiple of <see cref="TileColumns"/>.</param>
    public static void MultiplyRow(float* a, float* b, int bRow, float* c, int columns, int depth)
    {
        if (HalfRegisters.AreAll)
        {
            HalfRegisters.MultiplyRow(a, b, bRow, c, columns, depth, add: false);
            return;
        }
        int column = 0;
        for (; column + 4 * TileColumns <= columns; column += 4 * TileColumns)
        {
            Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default;
            float* values = b + column;
            for (int k = 0; k < depth; k++, values += bRow)
            {
                float factor = a[k];
                AddProducts(ref c0, ref c1, factor, Vector512.Load(values), Vector512.Load(values + TileColumns));
                AddProducts(ref c2, ref c3, factor, Vector512.Load(values + 2 * TileColumns), Vector512.Load(values + 3 * TileColumns));
            }
            Store(c + column, c0, c1, add: false);
            Store(c + column + 2 * TileColumns, c2, c3, add: false);
        }
        for (; column < columns; column += TileColumns)
        {
            Vector512<float> sum = default;
            float* values = b + column;
            for (int k = 0; k < depth; k++, values += bRow)
                sum = Vector512.FusedMultiplyAdd(Vector512.Create(a[k]), Vector512.Load(values), sum);
            sum.Store(c + column);
        }
    }

    /// <summary>to[j, i] = from[i, j]; rows and columns are multiples of 16.</summary>
    public static void Transpose(float* from, int fromRow, float* to, int toRow, int rows, int columns)
    {
        for (int row = 0; row < rows; row += ILanes.Count)
            for (int column = 0; column < columns; column += ILanes.Count)
                TransposeTile(from + (nint)row * fromRow + column, fromRow, to + (nint)column * toRow + row, toRow);
    }

    private static void Tile(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int depth, bool add)
    {
        Vector512<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default, c30 = default, c31 = default;
        Vector512<float> c40 = default, c41 = default, c50 = default, c51 = default, c60 = default, c61 = default, c70 = default, c71 = default;
        float* lower = a + 4 * aRow;
        for (int k = 0; k < depth; k++, a += aStep, lower += aStep, b += bRow)
        {
            Vector512<float> left = Vector512.Load(b), right = Vector512.Load(b + ILanes.Count);
            AddProducts(ref c00, ref c01, *a, left, right);
            AddProducts(ref c10, ref c11, a[aRow], left, right);
            AddProducts(ref c20, ref c21, a[2 * aRow], left, right);
            AddProducts(ref c30, ref c31, a[3 * aRow], left, right);
            AddProducts(ref c40, ref c41, *lower, left, right);
            AddProducts(ref c50, ref c51, lower[aRow], left, right);
            AddProducts(ref c60, ref c61, lower[2 * aRow], left, right);
            AddProducts(ref c70, ref c71, lower[3 * aRow], left, right);
        }
        Store(c, c00, c01, add);
        Store(c + cRow, c10, c11, add);
        Store(c + 2 * cRow, c20, c21, add);
        Store(c + 3 * cRow, c30, c31, add);
        Store(c + 4 * cRow, c40, c41, add);
        Store(c + 5 * cRow, c50, c51, add);
        Store(c + 6 * cRow, c60, c61, add);
        Store(c + 7 * cRow, c70, c71, add);
    }

    private static void NarrowTile(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int depth, bool add)
    {
        Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default, c6 = default, c7 = default;
        float* lower = a + 4 * aRow;
        for (int k = 0; k < depth; k++, a += aStep, lower += aStep, b += bRow)
        {
            Vector512<float> values = Vector512.Load(b);
            c0 = Vector512.FusedMultiplyAdd(Vector512.Create(*a), values, c0);
            c1 = Vector512.FusedMultiplyAdd(Vector512.Create(a[aRow]), values, c1);
            c2 = Vector512.FusedMultiplyAdd(Vector512.Create(a[2 * aRow]), values, c2);
            c3 = Vector512.FusedMultiplyAdd(Vector512.Create(a[3 * aRow]), values, c3);
            c4 = Vector512.FusedMultiplyAdd(Vector512.Create(*lower), values, c4);
            c5 = Vector512.FusedMultiplyAdd(Vector512.Create(lower[aRow]), values, c5);
            c6 = Vector512.FusedMultiplyAdd(Vector512.Create(lower[2 * aRow]), values, c6);
            c7 = Vector512.FusedMultiplyAdd(Vector512.Create(lower[3 * aRow]), values, c7);
        }
        Store(c, c0, add);
        Store(c + cRow, c1, add);
        Store(c + 2 * cRow, c2, add);
        Store(c + 3 * cRow, c3, add);
        Store(c + 4 * cRow, c4, add);
        Store(c + 5 * cRow, c5, add);
        Store(c + 6 * cRow, c6, add);
        Store(c + 7 * cRow, c7, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void AddProducts(ref Vector512<float> leftSum, ref Vector512<float> rightSum, float factor, Vector512<float> left, Vector512<float> right)
    {
        Vector512<float> factors = Vector512.Create(factor);
        leftSum = Vector512.FusedMultiplyAdd(factors, left, leftSum);
        rightSum = Vector512.FusedMultiplyAdd(factors, right, rightSum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Store(float* to, Vector512<float> left, Vector512<float> right, bool add)
    {
        Store(to, left, add);
        Store(to + ILanes.Count, right, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* to, Vector512<float> values, bool add) => (add ? Vector512.Load(to) + values : values).Store(to);

    private static void TransposeTile(float* from, int fromRow, float* to, int toRow)
    {
        if (!Avx512F.IsSupported && Avx.IsSupported)
        {
            HalfRegisters.Transpose(from, fromRow, to, toRow);
            return;
        }
        if (!Avx512F.IsSupported)
        {
            for (int row = 0; row < ILanes.Count; row++)
                for (int column = 0; column < ILanes.Count; column++)
                    to[(nint)column * toRow + row] = from[(nint)row * fromRow + column];
            return;
        }
        // Four rows at a time become, in each quarter of a register, four columns; then quarters change places.
        Vector512<float>* mixed = stackalloc Vector512<float>[ILanes.Count];
        for (int four = 0; four < 4; four++)
        {
            float* rows = from + 4 * (nint)four * fromRow;
            Vector512<float> r0 = Vector512.Load(rows), r1 = Vector512.Load(rows + fromRow), r2 = Vector512.Load(rows + 2 * (nint)fromRow), r3 = Vector512.Load(rows + 3 * (nint)fromRow);
            Vector512<double> low01 = Avx512F.UnpackLow(r0, r1).AsDouble(), low23 = Avx512F.UnpackLow(r2, r3).AsDouble();
            Vector512<double> high01 = Avx512F.UnpackHigh(r0, r1).AsDouble(), high23 = Avx512F.UnpackHigh(r2, r3).AsDouble();
            mixed[four] = Avx512F.UnpackLow(low01, low23).AsSingle();
            mixed[4 + four] = Avx512F.UnpackHigh(low01, low23).AsSingle();
            mixed[8 + four] = Avx512F.UnpackLow(high01, high23).AsSingle();
            mixed[12 + four] = Avx512F.UnpackHigh(high01, high23).AsSingle();
        }
        for (int column = 0; column < 4; column++)
        {
            Vector512<float>* rows = mixed + 4 * column;
            Vector512<float> upperA = Avx512F.Shuffle4x128(rows[0], rows[1], 0x88), upperB = Avx512F.Shuffle4x128(rows[2], rows[3], 0x88);      // quarters 0 and 2
            Vector512<float> lowerA = Avx512F.Shuffle4x128(rows[0], rows[1], 0xDD), lowerB = Avx512F.Shuffle4x128(rows[2], rows[3], 0xDD);      // quarters 1 and 3
            Avx512F.Shuffle4x128(upperA, upperB, 0x88).Store(to + (nint)column * toRow);
            Avx512F.Shuffle4x128(lowerA, lowerB, 0x88).Store(to + (nint)(4 + column) * toRow);
            Avx512F.Shuffle4x128(upperA, upperB, 0xDD).Store(to + (nint)(8 + column) * toRow);
            Avx512F.Shuffle4x128(lowerA, lowerB, 0xDD).Store(to + (nint)(12 + column) * toRow);
        }
    }
}
