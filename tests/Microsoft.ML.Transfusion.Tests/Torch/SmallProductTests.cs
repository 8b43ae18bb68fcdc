using System.Runtime.Intrinsics;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Torch;

public sealed class SmallProductTests
{
    [Theory]
    [InlineData(8, 32, 1)]
    [InlineData(8, 16, 3)]
    [InlineData(8, 80, 5)]
    [InlineData(40, 32, 33)]
    public unsafe void Multiply_is_libtorchs_product(int rows, int columns, int depth)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3, CPU);
        Tensor left = rand([rows, depth], generator: generator), right = rand([depth, columns], generator: generator), sum = rand([rows, columns], generator: generator);
        foreach (bool transposed in new[] { false, true })
            foreach (bool add in new[] { false, true })
            {
                Tensor a = transposed ? left.t().contiguous() : left, result = sum.clone();
                SmallProduct.Multiply((float*)CpuKernel.Pointer(a), transposed ? 1 : depth, transposed ? rows : 1, (float*)CpuKernel.Pointer(right), columns,
                    (float*)CpuKernel.Pointer(result), columns, rows, columns, depth, add);
                TensorAssert.Close(add ? sum + left.mm(right) : left.mm(right), result, 1e-5);
            }
    }

    [Theory]
    [InlineData(16, 1)]
    [InlineData(48, 7)]
    [InlineData(80, 64)]
    [InlineData(128, 33)]
    public unsafe void Wide_and_half_registers_and_single_rows_give_the_same_bits(int columns, int depth)
    {
        const int Rows = 16;
        using var scope = NewDisposeScope();
        using var generator = new Generator(4, CPU);
        Tensor left = randn([Rows, depth], generator: generator), right = randn([depth, columns], generator: generator);
        Tensor whole = zeros(Rows, columns), half = zeros(Rows, columns), byRows = zeros(Rows, columns), halfByRows = zeros(Rows, columns);
        float* a = (float*)CpuKernel.Pointer(left), b = (float*)CpuKernel.Pointer(right);
        SmallProduct.Multiply(a, depth, 1, b, columns, (float*)CpuKernel.Pointer(whole), columns, Rows, columns, depth, add: false);
        HalfRegisters.Multiply(a, depth, 1, b, columns, (float*)CpuKernel.Pointer(half), columns, Rows, columns, depth, add: false);
        for (int row = 0; row < Rows; row++)
        {
            SmallProduct.MultiplyRow(a + row * depth, b, columns, (float*)CpuKernel.Pointer(byRows) + row * columns, columns, depth);
            HalfRegisters.MultiplyRow(a + row * depth, b, columns, (float*)CpuKernel.Pointer(halfByRows) + row * columns, columns, depth, add: false);
        }

        TensorAssert.Close(left.mm(right), whole, 1e-4);
        TensorAssert.Close(whole, half, 0);
        TensorAssert.Close(whole, byRows, 0);
        TensorAssert.Close(whole, halfByRows, 0);
    }

    [Theory]
    [InlineData(16, 16)]
    [InlineData(48, 32)]
    public unsafe void Transpose_exchanges_rows_and_columns(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        const int Padding = 16;
        Tensor matrix = arange(rows * (columns + Padding), ScalarType.Float32).view(rows, columns + Padding), result = zeros(columns, rows + Padding);
        SmallProduct.Transpose((float*)CpuKernel.Pointer(matrix), columns + Padding, (float*)CpuKernel.Pointer(result), rows + Padding, rows, columns);
        TensorAssert.Close(matrix.narrow(1, 0, columns).t(), result.narrow(1, 0, rows), 0);
        Assert.Equal(0, result.narrow(1, rows, Padding).abs().max().ToSingle());
    }

    [SkippableFact]
    public unsafe void Half_registers_transpose_a_tile()
    {
        Skip.IfNot(System.Runtime.Intrinsics.X86.Avx.IsSupported, "There are no registers of 256 bits on this processor.");
        const int Side = 16, FromRow = 24, ToRow = 32;
        float[] from = [.. Enumerable.Range(0, Side * FromRow).Select(i => (float)i)], to = new float[Side * ToRow];
        fixed (float* source = from, target = to)
            HalfRegisters.Transpose(source, FromRow, target, ToRow);
        for (int row = 0; row < Side; row++)
            for (int column = 0; column < Side; column++)
                Assert.Equal(from[row * FromRow + column], to[column * ToRow + row]);
    }

    [Fact]
    public void Exponentials_of_half_registers_are_those_of_whole_ones()
    {
        for (float x = -87; x < 87; x += 0.37f)
        {
            float half = HalfRegisters.Exp(Vector256.Create(x))[3], whole = Lanes.Exp(Vector512.Create(x))[11];
            Assert.Equal(whole, half);
            Assert.InRange(half / Math.Exp(x), 1 - 3e-7, 1 + 3e-7);
        }
    }
}
