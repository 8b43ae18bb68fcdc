// The token table of a checkpoint: how many rows it has, and which of them are special tokens. Tables often have more rows than their
// vocabulary has ids, to round their number up or to keep some in reserve.
namespace Microsoft.ML.Transfusion.Tokenization;

internal sealed record TokenTable(int Rows)
{
    public int? Padding { get; init; }

    public int? BeginOfSequence { get; init; }

    public int? EndOfSequence { get; init; }

    public int? BeginOfImage { get; init; }

    public int? EndOfImage { get; init; }

    /// <summary>An id that the table has; null for any other.</summary>
    public int? Find(int? id) => id >= 0 && id < Rows ? id : null;
}
