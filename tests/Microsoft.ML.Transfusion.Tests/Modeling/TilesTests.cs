using Microsoft.ML.Transfusion.Modeling;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

public class TilesTests
{
    [Theory]
    [InlineData(16, 16)]
    [InlineData(40, 16)]
    [InlineData(56, 88)]
    [InlineData(8, 72)]
    public void What_looks_at_single_places_is_the_same_in_tiles(int height, int width)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        Tensor picture = rand([2, 3, height, width], generator: generator);
        static Tensor Halve(Tensor x) => nn.functional.avg_pool2d(x, 2) * 3;
        static Tensor Double(Tensor x) => nn.functional.interpolate(x, scale_factor: [2, 2]);

        TensorAssert.Close(Halve(picture), Tiles.Map(picture, 16, Halve), 1e-6);
        TensorAssert.Close(Double(picture), Tiles.Map(picture, 16, Double), 1e-6);
    }

    [Fact]
    public void No_tile_is_larger_than_asked_for_and_tiles_fade_into_each_other()
    {
        using var scope = NewDisposeScope();
        int tiles = 0;
        Tensor output = Tiles.Map(zeros(1, 1, 16, 40), 16, tile =>
        {
            Assert.InRange(tile.shape.Max(), 1, 16);
            return full_like(tile, tiles++);
        });

        float[] row = output[0, 0, 8].data<float>().ToArray();
        Assert.Equal(3, tiles);
        Assert.Equal([0f, 2f], [row[0], row[^1]]);
        Assert.All(row.Zip(row.Skip(1)), pair => Assert.InRange(pair.Second - pair.First, -1e-6, 0.5));
    }
}
