using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tests.Modeling;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Sequences;

public sealed class TransfusionMaskTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void ToAdditive_is_the_rule_for_every_pair_of_positions()
    {
        var random = new Random(1);
        for (int trial = 0; trial < 50; trial++)
        {
            int length = random.Next(1, 25);
            ImageSpan[][] rows = [RandomNetwork.Layout(length, random), RandomNetwork.Layout(length, random)];
            var mask = new TransfusionMask(length, rows);
            using Tensor additive = mask.ToAdditive(ScalarType.Float32, CPU).expand(2, 1, length, length);
            for (int row = 0; row < 2; row++)
                for (int query = 0; query < length; query++)
                    for (int key = 0; key < length; key++)
                    {
                        bool sees = key <= query || rows[row].Any(image => image.Start <= query && query < image.End && image.Start <= key && key < image.End);
                        Assert.Equal(sees ? 0 : float.NegativeInfinity, additive[row, 0, query, key].ToSingle());
                    }
        }
    }

    [Fact]
    public void Segments_cover_every_position_once_and_in_order()
    {
        var random = new Random(2);
        for (int trial = 0; trial < 50; trial++)
        {
            int length = random.Next(1, 40);
            ImageSpan[] images = RandomNetwork.Layout(length, random);

            (ImageSpan Span, bool IsImage)[] segments = [.. new TransfusionMask(length, [images]).Segments()];

            Assert.Equal(images, segments.Where(segment => segment.IsImage).Select(segment => segment.Span));
            Assert.Equal(Enumerable.Range(0, length), segments.SelectMany(segment => Enumerable.Range(segment.Span.Start, segment.Span.Length)));
            Assert.All(segments, segment => Assert.True(segment.Span.Length > 0));
        }
    }

    [Fact]
    public void IsUniform_tells_whether_all_rows_have_one_layout()
    {
        ImageSpan[] one = [new(2, 4)], other = [new(3, 4)];

        Assert.True(new TransfusionMask(10, [one, [.. one]]).IsUniform);
        Assert.False(new TransfusionMask(10, [one, other]).IsUniform);
        Assert.False(new TransfusionMask(10, [one, []]).IsUniform);
        Assert.True(new TransfusionMask(10, [[], []]).IsUniform);
    }
}
