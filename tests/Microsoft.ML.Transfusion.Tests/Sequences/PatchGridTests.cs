using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Sequences;

public sealed class PatchGridTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(1, 8, 8, 4, 4)]
    [InlineData(3, 8, 12, 2, 2)]
    [InlineData(3, 12, 4, 4, 4)]
    [InlineData(8, 6, 9, 3, 3)]
    [InlineData(3, 5, 7, 1, 1)]
    [InlineData(2, 1, 12, 1, 4)]
    public void Unpatchify_is_the_inverse_of_Patchify(int channels, int height, int width, int patchHeight, int patchWidth)
    {
        var grid = new PatchGrid(channels, height, width, patchHeight, patchWidth);
        Tensor images = arange(2L * channels * height * width, ScalarType.Float32).view(2, channels, height, width);

        Tensor patches = grid.Patchify(images);

        Assert.Equal([2, height / patchHeight * (width / patchWidth), channels * patchHeight * patchWidth], patches.shape);
        TensorAssert.Close(images, grid.Unpatchify(patches), 0);
    }

    [Fact]
    public void Patchify_goes_left_to_right_then_top_to_bottom()
    {
        Tensor image = zeros(1, 3, 4, 6);
        for (int row = 0; row < 2; row++)
            for (int column = 0; column < 3; column++)
                image.narrow(2, 2 * row, 2).narrow(3, 2 * column, 2).fill_(3 * row + column);

        Tensor patches = new PatchGrid(3, 4, 6, 2, 2).Patchify(image);

        TensorAssert.Close(arange(6, ScalarType.Float32).view(1, 6, 1).expand(1, 6, 12), patches, 0);
    }
}
