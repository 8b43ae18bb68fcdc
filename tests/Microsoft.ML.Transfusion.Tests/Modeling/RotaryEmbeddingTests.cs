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
}
