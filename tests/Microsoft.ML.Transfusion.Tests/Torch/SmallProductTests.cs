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
}
