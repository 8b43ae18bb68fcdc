// Who may attend to whom (Transfusion §3, figure 4): every position sees those before it, and every patch sees all patches of its own image.
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Sequences;

/// <summary>The attention pattern of a batch. Rows are padded on the right: a causal pattern never lets a real position see padding.</summary>
internal sealed class TransfusionMask
{
    private readonly IReadOnlyList<IReadOnlyList<ImageSpan>> _imagesOfRow;

    /// <param name="length">Positions in every row, T.</param>
    /// <param name="imagesOfRow">Image spans by row, ascending; one entry stands for every row where all rows have the same layout.</param>
    public TransfusionMask(int length, IReadOnlyList<IReadOnlyList<ImageSpan>> imagesOfRow)
    {
        Length = length;
        bool uniform = imagesOfRow.All(images => images.SequenceEqual(imagesOfRow[0]));
        _imagesOfRow = uniform ? [imagesOfRow[0]] : imagesOfRow;
    }

    public int Length { get; }

    /// <summary>Whether all rows have one layout, so that attention can go segment by segment without a mask.</summary>
    public bool IsUniform => _imagesOfRow.Count == 1;

    /// <summary>The pattern of neighbouring rows.</summary>
    public TransfusionMask Slice(int firstRow, int rows) => IsUniform ? this : new TransfusionMask(Length, [.. _imagesOfRow.Skip(firstRow).Take(rows)]);

    /// <summary>The layout as maximal runs of text and whole images, ascending and without gaps; only of a uniform mask.</summary>
    public IEnumerable<(ImageSpan Span, bool IsImage)> Segments()
    {
        int at = 0;
        foreach (ImageSpan image in _imagesOfRow[0])
        {
            if (image.Start > at)
                yield return (new ImageSpan(at, image.Start - at), false);
            yield return (image, true);
            at = image.End;
        }
        if (at < Length)
            yield return (new ImageSpan(at, Length - at), false);
    }

    /// <summary>For every position how many positions it sees: always the first so many. One entry stands for every row where all have one layout.</summary>
    public int[][] VisibleCounts()
    {
        int[] Row(IReadOnlyList<ImageSpan> images)
        {
            int[] visible = [.. Enumerable.Range(1, Length)];
            foreach (ImageSpan image in images)
                visible.AsSpan(image.Start, image.Length).Fill(image.End);
            return visible;
        }
        return [.. _imagesOfRow.Select(Row)];
    }

    /// <summary>What is added to attention scores: 0 where attention is allowed, −∞ elsewhere; [1 or B, 1, T, T].</summary>
    public Tensor ToAdditive(ScalarType dtype, Device device)
    {
        using var scope = NewDisposeScope();
        Tensor mask = zeros(_imagesOfRow.Count, 1, Length, Length, dtype, device)
            .FillInPlace(ones(Length, Length, ScalarType.Bool, device).triu(1), float.NegativeInfinity);
        for (int row = 0; row < _imagesOfRow.Count; row++)
            foreach (ImageSpan image in _imagesOfRow[row])
                mask[row, 0].narrow(0, image.Start, image.Length).narrow(1, image.Start, image.Length).zero_();
        return mask.MoveToOuterDisposeScope();
    }
}
