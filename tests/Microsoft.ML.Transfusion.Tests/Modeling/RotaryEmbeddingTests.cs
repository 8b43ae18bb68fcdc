using Microsoft.ML.Transfusion.Modeling;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

public sealed class RotaryEmbeddingTests : IDisposable
{
    private const int Length = 40, HeadSize = 16;
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Generator _generator = new(1, CPU);
    private readonly Tensor _table = RotaryEmbedding.Table(Length, HeadSize, 10000, CPU);

    public void Dispose()
    {
        _generator.Dispose();
        _scope.Dispose();
    }

    [Fact]
    public void Apply_leaves_position_0_and_every_length_as_they_are()
    {
        Tensor heads = randn([2, Length, 3, HeadSize], generator: _generator);

        Tensor turned = RotaryEmbedding.Apply(heads, _table);

        TensorAssert.Close(heads.narrow(1, 0, 1), turned.narrow(1, 0, 1), 0);
        TensorAssert.Close(heads.norm(-1), turned.norm(-1), 1e-5);
        TensorAssert.Differ(heads.narrow(1, 1, 1), turned.narrow(1, 1, 1), 0.1);
    }

    [Fact]
    public void Apply_makes_products_depend_on_the_distance_alone()
    {
        Tensor query = randn([1, 1, 1, HeadSize], generator: _generator), key = randn([1, 1, 1, HeadSize], generator: _generator);
        Tensor queries = RotaryEmbedding.Apply(query.expand(1, Length, 1, HeadSize), _table).view(Length, HeadSize);
        Tensor keys = RotaryEmbedding.Apply(key.expand(1, Length, 1, HeadSize), _table).view(Length, HeadSize);

        Tensor products = matmul(queries, keys.t());                                 // [query position, key position]

        for (int distance = 0; distance < Length; distance++)
        {
            Tensor diagonal = products.diagonal(-distance);
            TensorAssert.Close(diagonal[0].expand(diagonal.shape), diagonal, 2e-5, $"distance {distance}");
        }
        TensorAssert.Differ(products[0, 0], products[1, 0], 1e-3);
    }

    [Fact]
    public void Table_turns_pair_k_by_the_base_to_the_power_of_minus_2k_over_the_head_size()
    {
        Tensor angles = _table.angle().squeeze(1);                                   // [position, pair]

        for (int pair = 0; pair < HeadSize / 2; pair++)
            Assert.Equal(Math.Pow(10000, -2.0 * pair / HeadSize), angles[1, pair].ToDouble(), 6);
    }

    [Theory]
    [InlineData(8, 1, 4, 256)]
    [InlineData(32, 1, 4, 8192)]
    [InlineData(2, 0.5, 3, 64)]
    public void Table_slows_slow_turns_by_the_factor_keeps_fast_ones_and_mixes_those_between(double factor, double low, double high, int original)
    {
        var scaling = new RopeScaling { Factor = factor, LowFrequencyFactor = low, HighFrequencyFactor = high, OriginalMaxSequenceLength = original };
        const int Size = 128;
        Tensor plain = RotaryEmbedding.Table(2, Size, 10000, CPU).angle()[1, 0], scaled = RotaryEmbedding.Table(2, Size, 10000, CPU, scaling).angle()[1, 0];
        double previous = double.PositiveInfinity;

        for (int pair = 0; pair < Size / 2; pair++)
        {
            double before = plain[pair].ToDouble(), after = scaled[pair].ToDouble(), turns = original * before / (2 * Math.PI);
            double share = after / before;
            if (turns > high)
                Assert.Equal(1, share, 1e-5);
            else if (turns < low)
                Assert.Equal(1 / factor, share, 1e-5);
            else
                Assert.InRange(share, 1 / factor, 1);
            Assert.True(after < previous, "Frequencies fall from pair to pair, stretched or not.");
            previous = after;
        }
        // Between the bounds the mix is linear in the turns: half way up, the mean of both.
        double middle = (low + high) / 2 * 2 * Math.PI / original;
        Tensor half = RotaryEmbedding.Table(2, 4, 1 / (middle * middle), CPU, scaling).angle()[1, 0];       // its second pair has that frequency
        Assert.Equal(middle * (1 + 1 / factor) / 2, half[1].ToDouble(), 1e-6);
    }
}
