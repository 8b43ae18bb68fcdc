// Comparing tensors so that a failure says by how much.
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests;

internal static class TensorAssert
{
    public static void Close(Tensor expected, Tensor actual, double tolerance, string what = "")
    {
        Assert.Equal(expected.shape, actual.shape);
        double distance = LargestDifference(expected, actual);
        Assert.True(distance <= tolerance, $"{what} differs by {distance:g3}, more than {tolerance:g3}.");
    }

    public static void Differ(Tensor left, Tensor right, double least, string what = "")
    {
        double distance = LargestDifference(left, right);
        Assert.True(distance >= least, $"{what} differs by {distance:g3} only, less than {least:g3}.");
    }

    /// <summary>The largest absolute difference; infinite where one side is not a number.</summary>
    public static double LargestDifference(Tensor left, Tensor right)
    {
        using var scope = NewDisposeScope();
        if (left.NumberOfElements == 0)
            return 0;
        Tensor difference = (left.detach().to(ScalarType.Float64) - right.detach().to(ScalarType.Float64)).abs();
        return difference.nan_to_num(double.PositiveInfinity).max().ToDouble();
    }
}
