using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

public sealed class AttentionTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Segments_give_the_numbers_of_the_dense_mask_for_any_layout(bool everything)
    {
        TransformerConfig config = everything ? RandomNetwork.Everything : RandomNetwork.Small;
        using TransfusionNetwork network = RandomNetwork.Create(config);
        var random = new Random(5);
        for (int trial = 0; trial < 40; trial++)
        {
            using var scope = NewDisposeScope();
            int length = random.Next(1, 41);
            var mask = new TransfusionMask(length, [RandomNetwork.Layout(length, random)]);
            Tensor hidden = RandomNetwork.Positions(config, 2, length, (ulong)trial);

            Tensor dense = network.Forward(hidden, mask, denseMask: true), segments = network.Forward(hidden, mask, denseMask: false);

            TensorAssert.Close(dense, segments, 2e-5, $"trial {trial}");
        }
    }

    [Fact]
    public void Rows_of_several_layouts_with_padding_give_the_numbers_of_each_row_alone()
    {
        TransformerConfig config = RandomNetwork.Everything;
        using TransfusionNetwork network = RandomNetwork.Create(config);
        var random = new Random(6);
        for (int trial = 0; trial < 20; trial++)
        {
            using var scope = NewDisposeScope();
            int[] lengths = [random.Next(1, 31), random.Next(1, 31), random.Next(1, 31)];
            ImageSpan[][] layouts = [.. lengths.Select(length => RandomNetwork.Layout(length, random))];
            Tensor hidden = RandomNetwork.Positions(config, 3, lengths.Max(), (ulong)trial);

            Tensor together = network.Forward(hidden, new TransfusionMask(lengths.Max(), layouts));

            for (int row = 0; row < 3; row++)
            {
                Tensor own = hidden.narrow(0, row, 1).narrow(1, 0, lengths[row]);
                Tensor alone = network.Forward(own, new TransfusionMask(lengths[row], [layouts[row]]));
                TensorAssert.Close(alone, together.narrow(0, row, 1).narrow(1, 0, lengths[row]), 2e-5, $"trial {trial} row {row}");
            }
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Bfloat16_agrees_with_32_bit_within_its_precision(bool trains)
    {
        TransformerConfig config = RandomNetwork.Everything;
        using TransfusionNetwork network = RandomNetwork.Create(config);
        var mask = new TransfusionMask(30, [[new ImageSpan(3, 8), new ImageSpan(20, 10)]]);
        Tensor hidden = RandomNetwork.Positions(config, 2, 30, 1);
        Tensor exact = network.Forward(hidden, mask).detach();

        network.to(ScalarType.BFloat16);
        using var noGradient = trains ? null : no_grad();               // without gradients a fused kernel runs, with them the by-hand products
        Tensor rounded = network.Forward(hidden.to(ScalarType.BFloat16), mask).to(ScalarType.Float32);

        double relative = ((rounded - exact).square().mean().sqrt() / exact.square().mean().sqrt()).ToDouble();
        Assert.InRange(relative, 1e-5, 0.02);
    }

    [Fact]
    public void A_changed_position_moves_only_what_may_see_it()
    {
        TransformerConfig config = RandomNetwork.Small;
        using TransfusionNetwork network = RandomNetwork.Create(config);
        var random = new Random(7);
        for (int trial = 0; trial < 30; trial++)
        {
            using var scope = NewDisposeScope();
            const int Length = 24;
            ImageSpan[] layout = RandomNetwork.Layout(Length, random);
            var mask = new TransfusionMask(Length, [layout]);
            Tensor hidden = RandomNetwork.Positions(config, 1, Length, (ulong)trial);
            int changed = random.Next(Length);
            Tensor other = hidden.clone();
            other[0, changed] = -other[0, changed];

            bool dense = trial % 2 == 0;
            Tensor moved = (network.Forward(hidden, mask, denseMask: dense) - network.Forward(other, mask, denseMask: dense)).abs().amax([0, 2]);

            ImageSpan? image = layout.Where(span => span.Start <= changed && changed < span.End).Select(span => (ImageSpan?)span).SingleOrDefault();
            int first = image?.Start ?? changed;
            float[] movements = moved.data<float>().ToArray();
            Assert.All(movements[..first], movement => Assert.Equal(0, movement, 1e-6f));
            Assert.All(movements[first..], movement => Assert.True(movement > 1e-6f, $"Position {changed} does not reach everything from {first} on."));
        }
    }
}
