using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Sequences;

public sealed class SequenceBatchTests : IDisposable
{
    private const int Patches = 4, Patch = -1;
    private const int Pad = 100, Bos = 101, Eos = 102, Boi = 103, Eoi = 104;
    private static readonly SpecialTokens Special = SpecialTokens.After(100);
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void Create_writes_a_caption_and_its_image()
    {
        using SequenceBatch batch = Create(new ArrangedDocument([Text(7, 8), Image(1)], [1000]));

        Assert.Equal([Bos, 7, 8, Boi, Patch, Patch, Patch, Patch, Eoi, Eos], Stream(batch, 0));
        Assert.Equal([(Bos, 7), (7, 8), (8, Boi), (Eoi, Eos)], Learned(batch, 0));
        Assert.Equal([(new ImageSpan(0, 4), false), (new ImageSpan(4, 4), true), (new ImageSpan(8, 2), false)], batch.Mask.Segments());
        Assert.Equal([4L, 5, 6, 7], batch.ImagePositions.data<long>().ToArray());
        Assert.Equal([1000], batch.MaxTimesteps);
    }

    [Fact]
    public void Create_writes_an_image_and_its_caption()
    {
        using SequenceBatch batch = Create(new ArrangedDocument([Image(1), Text(7, 8)], [501]));

        Assert.Equal([Bos, Boi, Patch, Patch, Patch, Patch, Eoi, 7, 8, Eos], Stream(batch, 0));
        Assert.Equal([(Bos, Boi), (Eoi, 7), (7, 8), (8, Eos)], Learned(batch, 0));
    }

    [Fact]
    public void Create_writes_several_images_next_to_one_another()
    {
        using SequenceBatch batch = Create(new ArrangedDocument([Image(1), Image(2), Text(7)], [501, 501]));

        Assert.Equal([Bos, Boi, Patch, Patch, Patch, Patch, Eoi, Boi, Patch, Patch, Patch, Patch, Eoi, 7, Eos], Stream(batch, 0));
        Assert.Equal([(Bos, Boi), (Eoi, Boi), (Eoi, 7), (7, Eos)], Learned(batch, 0));
        Assert.Equal([1f, 2f], batch.Images!.select(1, 0).select(1, 0).select(1, 0).data<float>().ToArray());
    }

    [Fact]
    public void Create_pads_shorter_rows_and_learns_nothing_there()
    {
        using SequenceBatch batch = Create(
            new ArrangedDocument([Text(7)], []),
            new ArrangedDocument([Text(8), Image(1)], [1000]),
            new ArrangedDocument([], []));

        Assert.Equal([Bos, 7, Eos, Pad, Pad, Pad, Pad, Pad, Pad], Stream(batch, 0));
        Assert.Equal([Bos, 8, Boi, Patch, Patch, Patch, Patch, Eoi, Eos], Stream(batch, 1));
        Assert.Equal([Bos, Eos, Pad, Pad, Pad, Pad, Pad, Pad, Pad], Stream(batch, 2));
        Assert.Equal([(Bos, 7), (7, Eos)], Learned(batch, 0));
        Assert.Equal([(Bos, 8), (8, Boi), (Eoi, Eos)], Learned(batch, 1));
        Assert.Equal([(Bos, Eos)], Learned(batch, 2));
        Assert.Equal([2, 3, 1], batch.TargetsOfRow);
        Assert.Equal([1], batch.RowOfImage);
        Assert.Equal(27, batch.Positions);
        Assert.False(batch.Mask.IsUniform);
    }

    [Fact]
    public void Create_learns_no_token_of_a_pair_that_lost_its_caption()
    {
        using SequenceBatch batch = Create(new ArrangedDocument([Image(1)], [1000], HasLanguageLoss: false), new ArrangedDocument([Image(2)], [1000]));

        Assert.Equal([Bos, Boi, Patch, Patch, Patch, Patch, Eoi, Eos], Stream(batch, 0));
        Assert.Empty(Learned(batch, 0));
        Assert.Equal([(Bos, Boi), (Eoi, Eos)], Learned(batch, 1));
        Assert.Equal([0, 2], batch.TargetsOfRow);
    }

    [Fact]
    public void Create_leaves_a_prompt_open()
    {
        using var batch = SequenceBatch.Create([new ArrangedDocument([Image(1), Text(7)], [])], Special, Patches, endSequences: false);

        Assert.Equal([Bos, Boi, Patch, Patch, Patch, Patch, Eoi, 7], Stream(batch, 0));
    }

    [Fact]
    public void LengthOf_counts_the_positions_that_Create_takes()
    {
        DocumentPart[] parts = [Text(1, 2, 3), Image(1), Text(), Image(2), Text(4)];
        using SequenceBatch batch = Create(new ArrangedDocument(parts, [1000, 1000]));

        Assert.Equal(batch.Mask.Length, SequenceBatch.LengthOf(parts, Patches));
    }

    [Fact]
    public void FlipRows_mirrors_the_images_of_the_marked_rows_alone()
    {
        Tensor image = arange(12, ScalarType.Float32).view(3, 2, 2);
        using SequenceBatch batch = Create(new ArrangedDocument([new ImagePart(image), new ImagePart(image + 1)], [9, 9]), new ArrangedDocument([new ImagePart(image)], [9]));

        batch.FlipRows([true, false]);

        TensorAssert.Close(stack([image.flip(2), image.flip(2) + 1, image]), batch.Images!, 0);
    }

    [Fact]
    public void Dispose_leaves_nothing_of_a_batch_behind()
    {
        ArrangedDocument document = new([Text(7, 8), Image(1)], [1000]);
        LeakCheck.Holds(() => Create(document).Dispose(), times: 3);
    }

    private static SequenceBatch Create(params ArrangedDocument[] documents) => SequenceBatch.Create(documents, Special, Patches);

    private static TextPart Text(params int[] ids) => new(ids);

    private static ImagePart Image(float value) => new(full(3, 2, 2, value));

    /// <summary>The row as the network reads it; −1 is a patch. Patches must come in their own order.</summary>
    private static int[] Stream(SequenceBatch batch, int row)
    {
        long[] ids = batch.TokenIds.data<long>().ToArray(), order = batch.Order.data<long>().ToArray();
        Assert.Equal(Enumerable.Range(0, order.Length).Select(i => (long)i), order.Order());
        Assert.Equal(order.Where(at => at >= ids.Length).Order(), order.Where(at => at >= ids.Length));
        return [.. order.Skip(row * batch.Mask.Length).Take(batch.Mask.Length).Select(at => at < ids.Length ? (int)ids[at] : Patch)];
    }

    /// <summary>What is read and what is to follow it, where that is learned.</summary>
    private static (int Read, int Next)[] Learned(SequenceBatch batch, int row)
    {
        int[] all = [.. Enumerable.Range(0, batch.Rows).SelectMany(at => Stream(batch, at))];
        int length = batch.Mask.Length;
        return [.. batch.TargetPositions.data<long>().ToArray().Zip(batch.Targets.data<long>().ToArray())
            .Where(target => target.First / length == row).Select(target => (all[target.First], (int)target.Second))];
    }
}
