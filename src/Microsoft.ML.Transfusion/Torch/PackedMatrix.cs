// A weight matrix as inference on a CPU reads it: panels of 32 outputs, one after the other from the first input to the last, so that memory is
// read in its order. A result is one sum from the first input to the last, whatever rows are computed beside it: the same row gives the same bits
// alone and in any batch, which libtorch's products do not promise.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static Microsoft.ML.Transfusion.Torch.SmallProduct;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

internal sealed unsafe class PackedMatrix : IDisposable
{
    private const int PanelColumns = 2 * SmallProduct.TileColumns;
    private const int Alignment = 64;
    private const int FewRows = 4;
    private readonly float* _panels;                        // [panels][inputs][32]
    private readonly float* _bias;                          // [stride], or null
    private readonly int _inputs;
    [ThreadStatic]
    private static float[]? _rest;                          // rows that fill no tile

    /// <param name="weight">[outputs, inputs], as linear layers have it, of any number format.</param>
    /// <param name="bias">[outputs]; null: there is none.</param>
    public PackedMatrix(Tensor weight, Tensor? bias = null)
    {
        using var scope = NewDisposeScope();
        (int outputs, _inputs) = ((int)weight.shape[0], (int)weight.shape[1]);
        Stride = StrideOf(outputs);
        _panels = Zeros((long)Stride * _inputs);
        float* source = (float*)CpuKernel.Pointer(weight.detach().cpu().to(ScalarType.Float32).contiguous());
        for (int output = 0; output < outputs; output++)
        {
            float* column = Panel(output / PanelColumns) + output % PanelColumns;
            for (int input = 0; input < _inputs; input++)
                column[(nint)input * PanelColumns] = source[(nint)output * _inputs + input];
        }
        if (bias is null)
            return;
        _bias = Zeros(Stride);
        new Span<float>(CpuKernel.Pointer(bias.detach().cpu().to(ScalarType.Float32).contiguous()), outputs).CopyTo(new Span<float>(_bias, outputs));
    }

    /// <summary>Numbers in a row of results: the outputs in whole panels, zeros beyond them.</summary>
    public int Stride { get; }

    public static int StrideOf(int size) => (size + PanelColumns - 1) / PanelColumns * PanelColumns;

    /// <summary>y = x · weightᵀ + bias, or y += that.</summary>
    /// <param name="x">Rows of at least as many numbers as there are inputs, <paramref name="xRow"/> apart.</param>
    /// <param name="y">Rows of <see cref="Stride"/> numbers.</param>
    public void Multiply(float* x, int xRow, float* y, int rows, bool add = false)
    {
        if (rows == 1)
            MultiplyOne(x, y, add);
        else
            MultiplyPanels(x, xRow, y, rows, add);
        if (_bias != null)
            AddBias(y, rows);
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_panels);
        NativeMemory.AlignedFree(_bias);
    }

    private float* Panel(int number) => _panels + (nint)number * _inputs * PanelColumns;

    private static float* Zeros(long count)
    {
        float* numbers = (float*)NativeMemory.AlignedAlloc((nuint)count * sizeof(float), Alignment);
        NativeMemory.Clear(numbers, (nuint)count * sizeof(float));
        return numbers;
    }

    private void AddBias(float* y, int rows)
    {
        for (int row = 0; row < rows; row++, y += Stride)
            for (int i = 0; i < Stride; i += ILanes.Count)
                (Vector512.Load(y + i) + Vector512.Load(_bias + i)).Store(y + i);
    }

    /// <summary>Rows that fill no tile are copied into one, whose other rows are computed for nothing: so the weights are read once.</summary>
    private void MultiplyPanels(float* x, int xRow, float* y, int rows, bool add)
    {
        int whole = rows / SmallProduct.TileRows * SmallProduct.TileRows, left = rows - whole;
        if (_rest is null || _rest.Length < SmallProduct.TileRows * _inputs)
            _rest = GC.AllocateArray<float>(SmallProduct.TileRows * _inputs, pinned: true);
        for (int row = 0; row < left; row++)
            new Span<float>(x + (nint)(whole + row) * xRow, _inputs).CopyTo(_rest.AsSpan(row * _inputs));
        float* sums = stackalloc float[SmallProduct.TileRows * PanelColumns];
        fixed (float* rest = _rest)
            for (int panel = 0; panel < Stride / PanelColumns; panel++)
            {
                float* results = y + panel * PanelColumns;
                SmallProduct.Multiply(x, xRow, 1, Panel(panel), PanelColumns, results, Stride, whole, PanelColumns, _inputs, add);
                if (left > FewRows)
                    SmallProduct.Multiply(rest, _inputs, 1, Panel(panel), PanelColumns, sums, PanelColumns, SmallProduct.TileRows, PanelColumns, _inputs, add: false);
                else if (left > 0)
                    MultiplyFew(rest, _inputs, Panel(panel), sums);
                for (int row = 0; row < left; row++)
                    Store(results + (nint)(whole + row) * Stride, Vector512.Load(sums + row * PanelColumns), Vector512.Load(sums + row * PanelColumns + ILanes.Count), add);
            }
    }

    private void MultiplyFew(float* x, nint xRow, float* panel, float* sums)
    {
        if (HalfRegisters.AreAll)
        {
            HalfRegisters.Multiply(x, xRow, 1, panel, PanelColumns, sums, PanelColumns, FewRows, PanelColumns, _inputs, add: false);
            return;
        }
        Vector512<float> a0 = default, a1 = default, b0 = default, b1 = default, c0 = default, c1 = default, d0 = default, d1 = default;
        for (int k = 0; k < _inputs; k++, panel += PanelColumns)
        {
            Vector512<float> left = Vector512.Load(panel), right = Vector512.Load(panel + ILanes.Count);
            AddProducts(ref a0, ref a1, x[k], left, right);
            AddProducts(ref b0, ref b1, x[xRow + k], left, right);
            AddProducts(ref c0, ref c1, x[2 * xRow + k], left, right);
            AddProducts(ref d0, ref d1, x[3 * xRow + k], left, right);
        }
        Store(sums, a0, a1, add: false);
        Store(sums + PanelColumns, b0, b1, add: false);
        Store(sums + 2 * PanelColumns, c0, c1, add: false);
        Store(sums + 3 * PanelColumns, d0, d1, add: false);
    }

    /// <summary>Four panels at once, where there are as many: eight sums, because one sum waits for itself.</summary>
    private void MultiplyOne(float* x, float* y, bool add)
    {
        nint distance = (nint)_inputs * PanelColumns;
        int panel = 0, panels = Stride / PanelColumns;
        for (; HalfRegisters.AreAll && panel < panels; panel++)
            HalfRegisters.MultiplyRow(x, Panel(panel), PanelColumns, y + panel * PanelColumns, PanelColumns, _inputs, add);
        for (; panel + 4 <= panels; panel += 4)
        {
            float* a = Panel(panel), b = a + distance, c = b + distance, d = c + distance;
            Vector512<float> a0 = default, a1 = default, b0 = default, b1 = default, c0 = default, c1 = default, d0 = default, d1 = default;
            for (int k = 0; k < _inputs; k++)
            {
                nint at = (nint)k * PanelColumns;
                Vector512<float> factor = Vector512.Create(x[k]);
                AddPanel(ref a0, ref a1, factor, a + at);
                AddPanel(ref b0, ref b1, factor, b + at);
                AddPanel(ref c0, ref c1, factor, c + at);
                AddPanel(ref d0, ref d1, factor, d + at);
            }
            float* results = y + panel * PanelColumns;
            Store(results, a0, a1, add);
            Store(results + PanelColumns, b0, b1, add);
            Store(results + 2 * PanelColumns, c0, c1, add);
            Store(results + 3 * PanelColumns, d0, d1, add);
        }
        for (; panel < panels; panel++)
        {
            float* a = Panel(panel);
            Vector512<float> a0 = default, a1 = default;
            for (int k = 0; k < _inputs; k++)
                AddPanel(ref a0, ref a1, Vector512.Create(x[k]), a + (nint)k * PanelColumns);
            Store(y + panel * PanelColumns, a0, a1, add);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddPanel(ref Vector512<float> leftSum, ref Vector512<float> rightSum, Vector512<float> factors, float* values)
    {
        leftSum = Vector512.FusedMultiplyAdd(factors, Vector512.Load(values), leftSum);
        rightSum = Vector512.FusedMultiplyAdd(factors, Vector512.Load(values + ILanes.Count), rightSum);
    }
}
