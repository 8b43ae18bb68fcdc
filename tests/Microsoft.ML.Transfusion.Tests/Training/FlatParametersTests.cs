using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Tests.Modeling;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Training;

public sealed class FlatParametersTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly TransfusionNetwork _network = RandomNetwork.Create(TinyNetwork.Config.Transformer);

    public void Dispose()
    {
        _network.Dispose();
        _scope.Dispose();
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void The_network_computes_with_the_buffer_and_its_gradient_arrives_there(ScalarType dtype)
    {
        using TransfusionNetwork plain = RandomNetwork.Create(TinyNetwork.Config.Transformer);
        plain.to(dtype);
        using var flat = new FlatParameters(_network, dtype);
        Tensor input = RandomNetwork.Positions(_network.Config, 1, 5, 1).flatten(0, 1).to(dtype);
        using (no_grad())
        {
            flat.Master.mul_(2);
            flat.ScatterMaster();
            foreach (Parameter parameter in plain.parameters())
                parameter.mul_(2);
        }

        flat.ForgetGradient();
        _network.Logits(input).square().sum().backward();
        flat.GatherGradient();
        plain.Logits(input).square().sum().backward();

        Dictionary<string, Parameter> expected = plain.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), flat.Layout.Select(entry => entry.Name).Order(StringComparer.Ordinal));
        foreach (FlatEntry entry in flat.Layout)
        {
            Tensor gradient = expected[entry.Name].grad?.to(ScalarType.Float32) ?? zeros(entry.Shape);
            TensorAssert.Close(gradient, entry.View(flat.Gradient), 1e-5 * Math.Max(1, gradient.abs().max().ToDouble()), entry.Name);
        }
        flat.ForgetGradient();
        flat.GatherGradient();
        TensorAssert.Close(zeros_like(flat.Gradient), flat.Gradient, 0);
    }

    [Fact]
    public void Layout_covers_the_buffer_and_puts_the_matrices_of_the_blocks_first()
    {
        using var flat = new FlatParameters(_network, ScalarType.Float32);

        long end = 0;
        foreach (FlatEntry entry in flat.Layout)
        {
            Assert.Equal(end, entry.Offset);
            end += entry.Count;
            bool isBlockMatrix = entry.Name.StartsWith("layers.", StringComparison.Ordinal) && entry.Shape.Length == 2;
            bool isMatrix = entry.Shape.Length == 2 && !entry.Name.StartsWith("embed_", StringComparison.Ordinal);
            Assert.Equal(isBlockMatrix, entry.Offset < flat.BlockMatrixCount);
            Assert.Equal(isMatrix, entry.Offset < flat.DecayedCount);
        }
        Assert.Equal(flat.Master.shape[0], end);
        Assert.Equal(flat.BlockMatrixCount, flat.MatrixStacks.Sum(stack => stack.Count));
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Release_gives_the_network_weights_of_its_own(ScalarType dtype)
    {
        Tensor weights;
        using (var flat = new FlatParameters(_network, dtype))
        {
            weights = flat.Master + 1;
            flat.Release(_network, weights);
            foreach (FlatEntry entry in flat.Layout)
            {
                Parameter parameter = _network.named_parameters().Single(p => p.name == entry.Name).parameter;
                TensorAssert.Close(entry.View(weights), parameter, 0, entry.Name);
                Assert.Equal(ScalarType.Float32, parameter.dtype);
                Assert.Null(parameter.grad);
            }
            flat.Master.zero_();
            weights.zero_();
        }

        Assert.All(_network.parameters(), parameter => Assert.True(parameter.abs().sum().ToDouble() > 0));
        _network.Logits(ones(1, _network.Config.HiddenSize)).sum().backward();
    }

    [Fact]
    public void Master_begins_with_the_network_s_weights_unrounded()
    {
        Dictionary<string, Tensor> before = _network.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.detach().clone());
        using var flat = new FlatParameters(_network, ScalarType.BFloat16);
        Assert.All(flat.Layout, entry => TensorAssert.Close(before[entry.Name], entry.View(flat.Master), 0, entry.Name));
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Dispose_leaves_no_tensor_behind_after_Release(ScalarType dtype)
    {
        void Use()
        {
            using var flat = new FlatParameters(_network, dtype);
            flat.Release(_network, flat.Master);
        }
        Use();

        LeakCheck.Holds(Use, times: 3);
    }
}
