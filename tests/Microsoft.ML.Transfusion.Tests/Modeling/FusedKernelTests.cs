using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

/// <summary>The fused CPU kernels against the formulas in plain operators. Sizes that do not fill a register are among them.</summary>
public sealed class FusedKernelTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Generator _generator = new(1, CPU);

    public void Dispose()
    {
        _generator.Dispose();
        _scope.Dispose();
    }

    [Theory]
    [InlineData(ScalarType.Float32, 16, 1e-5)]
    [InlineData(ScalarType.Float32, 37, 1e-5)]
    [InlineData(ScalarType.BFloat16, 37, 3e-2)]
    public void SwiGlu_and_its_gradients_are_those_of_the_formula(ScalarType dtype, int size, double tolerance)
    {
        Same(inputs => SwiGlu.Apply(inputs[0], inputs[1]), inputs => nn.functional.silu(inputs[0]) * inputs[1], tolerance, Random(dtype, 3, 5, size), Random(dtype, 3, 5, size));
    }

    [Fact]
    public void SwiGlu_bears_large_numbers()
    {
        Tensor gate = tensor(new[] { -1e4f, -100, 0, 100, 1e4f }), ones = torch.ones(5);
        TensorAssert.Close(nn.functional.silu(gate), SwiGlu.Apply(gate, ones), 1e-5);
    }

    [Theory]
    [InlineData(ScalarType.Float32, 4, 4, 8, 1e-5)]
    [InlineData(ScalarType.Float32, 4, 2, 20, 1e-5)]
    [InlineData(ScalarType.BFloat16, 4, 1, 32, 6e-2)]
    public void Attention_and_its_gradient_are_those_of_rotation_and_masked_softmax(ScalarType dtype, int heads, int keyValueHeads, int headSize, double tolerance)
    {
        const int Length = 77;                              // several blocks, the last one not whole
        foreach (var mask in new[] { new TransfusionMask(Length, [[new(3, 5), new(30, 40)]]), new TransfusionMask(Length, [[new(3, 5)], [new(1, 4), new(8, 12)]]) })
        {
            Tensor rotary = RotaryEmbedding.Table(Length, headSize, 10000, CPU);
            Tensor Plain(Tensor joined)
            {
                Tensor split = joined.view(2, Length, heads + 2 * keyValueHeads, headSize);
                Tensor turned = RotaryEmbedding.Apply(split.narrow(2, 0, heads + keyValueHeads), rotary);
                Tensor ByHead(Tensor part) => Attention.Repeat(part.transpose(1, 2), heads);
                Tensor attended = Attention.ByHand(ByHead(turned.narrow(2, 0, heads)), ByHead(turned.narrow(2, heads, keyValueHeads)),
                    ByHead(split.narrow(2, heads + keyValueHeads, keyValueHeads)), mask.ToAdditive(dtype, CPU));
                return attended.transpose(1, 2).flatten(2);
            }
            var layout = new AttentionLayout(heads, keyValueHeads, headSize, mask.VisibleCounts(), HeadRows.Turns(rotary));
            Same(inputs => FusedAttention.Apply(inputs[0], layout), inputs => Plain(inputs[0]), tolerance, Random(dtype, 2, Length, layout.Width));
        }
    }

    /// <summary>The same bits before and after the just-in-time compiler has optimized the kernels.</summary>
    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Kernels_give_the_same_bits_every_time(ScalarType dtype)
    {
        const int Length = 11;
        var layout = new AttentionLayout(4, 2, 4, new TransfusionMask(Length, [[new(3, 5)]]).VisibleCounts(), HeadRows.Turns(RotaryEmbedding.Table(Length, 4, 10000, CPU)));
        var norm = new RmsNorm(20, 1e-5);
        norm.to(dtype);
        (string, Func<Tensor, Tensor>, Tensor)[] kernels =
        [
            ("attention", x => FusedAttention.Apply(x, layout), Random(dtype, 2, Length, layout.Width)),
            ("SwiGLU", x => SwiGlu.Apply(x, x), Random(dtype, 3, 20)),
            ("norm", norm.forward, Random(dtype, 3, 20)),
        ];
        foreach ((string name, Func<Tensor, Tensor> kernel, Tensor input) in kernels)
        {
            Tensor Bits()
            {
                Tensor leaf = input.detach().requires_grad_();
                Tensor output = kernel(leaf);
                output.backward([ones_like(output)]);
                return cat([output.detach().flatten(), leaf.grad!.flatten()], 0).to(ScalarType.Float32);
            }
            Tensor first = Bits();
            for (int i = 0; i < 200; i++)
                TensorAssert.Close(first, Bits(), 0, $"{name}, time {i}");
        }
    }

    private Tensor Random(ScalarType dtype, params long[] sizes) => randn(sizes, generator: _generator).to(dtype);

    private static void Same(Func<Tensor[], Tensor> fused, Func<Tensor[], Tensor> plain, double tolerance, params Tensor[] inputs)
    {
        (Tensor Output, Tensor[] Gradients) Differentiate(Func<Tensor[], Tensor> function)
        {
            Tensor[] leaves = [.. inputs.Select(input => input.detach().clone().requires_grad_())];
            Tensor output = function(leaves);
            using var generator = new Generator(2, CPU);
            output.backward([randn(output.shape, generator: generator).to(output.dtype)]);
            return (output.detach(), [.. leaves.Select(leaf => leaf.grad!)]);
        }
        var expected = Differentiate(plain);
        var actual = Differentiate(fused);
        TensorAssert.Close(expected.Output.to(ScalarType.Float32), actual.Output.to(ScalarType.Float32), tolerance);
        foreach ((Tensor a, Tensor b) in expected.Gradients.Zip(actual.Gradients))
            TensorAssert.Close(a.to(ScalarType.Float32), b.to(ScalarType.Float32), tolerance * Math.Max(1, a.abs().max().ToDouble()));
    }
}
