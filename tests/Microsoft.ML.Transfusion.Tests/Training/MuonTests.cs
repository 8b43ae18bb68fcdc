using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Tests.Modeling;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Training;

public sealed class MuonTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Generator _generator = new(1, CPU);

    public void Dispose()
    {
        _generator.Dispose();
        _scope.Dispose();
    }

    [Theory]
    [InlineData(16, 16)]
    [InlineData(16, 40)]
    [InlineData(40, 16)]
    public void Orthogonalize_brings_every_singular_value_near_1_and_keeps_the_directions(int rows, int columns)
    {
        Tensor matrices = randn([3, rows, columns], generator: _generator) * tensor(new[] { 1e-4f, 1, 1e3f }).view(3, 1, 1);

        Tensor orthogonal = Muon.Orthogonalize(matrices, ScalarType.BFloat16);

        (Tensor u, _, Tensor vt) = linalg.svd(matrices, fullMatrices: false);
        Tensor core = matmul(matmul(u.transpose(1, 2), orthogonal), vt.transpose(1, 2));               // diagonal, if the directions are kept
        Tensor diagonal = core.diagonal(0, 1, 2);
        Assert.InRange(diagonal.mean().ToDouble(), 0.8, 1.1);
        Assert.InRange(diagonal.max().ToDouble(), 0.9, 1.3);
        Assert.True((core - diagonal.diag_embed()).abs().max().ToDouble() < 0.15);
    }

    [Fact]
    public void Step_moves_the_matrices_of_the_blocks_by_the_size_of_an_AdamW_update_and_nothing_else()
    {
        using TransfusionNetwork network = RandomNetwork.Create(RandomNetwork.Everything);
        using var flat = new FlatParameters(network, ScalarType.Float32);
        using var muon = new Muon(flat, new OptimizerConfig { WeightDecay = 0 });
        flat.Gradient.copy_(randn(flat.Gradient.shape, generator: _generator));
        Tensor before = flat.Master.clone();

        muon.Step(0.1);

        Tensor moved = flat.Master - before;
        foreach (FlatEntry entry in flat.Layout)
        {
            double size = entry.View(moved).square().mean().sqrt().ToDouble();
            if (entry.Offset < flat.BlockMatrixCount)
                Assert.InRange(size, 0.1 * 0.2 * 0.7, 0.1 * 0.2 * 1.2);
            else
                Assert.Equal(0, size);
        }
    }

    [Fact]
    public void Step_decays_weights_when_there_is_no_gradient()
    {
        using TransfusionNetwork network = RandomNetwork.Create(TinyNetwork.Config.Transformer);
        using var flat = new FlatParameters(network, ScalarType.Float32);
        using var muon = new Muon(flat, new OptimizerConfig { WeightDecay = 0.5 });
        Tensor before = flat.Master.clone();

        muon.Step(0.1);

        TensorAssert.Close(before.narrow(0, 0, flat.BlockMatrixCount) * 0.95, flat.Master.narrow(0, 0, flat.BlockMatrixCount), 1e-6);
    }
}
