// What a transformer adds to a view: each output column names the columns it is made from and exists where all of them do.
namespace Microsoft.ML.Transfusion.Data;

internal enum OutputKind
{
    /// <summary>Text that continues the inputs.</summary>
    Text,

    /// <summary>A picture that continues the inputs.</summary>
    Image,

    /// <summary>Both losses and the number of text tokens of the inputs as one document.</summary>
    Score,

    /// <summary>How probable each of the given candidates is as the caption of the input picture.</summary>
    Rank,

    /// <summary>A vector that continues the inputs.</summary>
    Vector,
}

/// <summary>A column of text, pictures or vectors that documents are made of.</summary>
internal sealed record InputColumn(string Name, bool IsImage, bool IsVector = false)
{
    internal bool IsText => !IsImage && !IsVector;
}

/// <param name="Candidates">The captions that <see cref="OutputKind.Rank"/> is about; null for others.</param>
internal sealed record OutputColumn(string Name, OutputKind Kind, IReadOnlyList<InputColumn> Inputs, IReadOnlyList<string>? Candidates = null);

/// <summary>What a transformer saves beside the model. Column names and sampling belong to it, not to the network.</summary>
/// <param name="BatchSize">Rows that are read ahead and go through the network together.</param>
internal sealed record ScoringConfig(IReadOnlyList<OutputColumn> Outputs, GenerationOptions Generation, int BatchSize)
{
    public const int DefaultBatchSize = 32;

    /// <summary>
    /// The outputs of a model trained on documents of these columns. A text and an image or a vector, in any order, give each other. Of longer
    /// documents the last column is generated from those before it. All columns together are scored.
    /// </summary>
    public static IReadOnlyList<OutputColumn> OutputsOf(IReadOnlyList<InputColumn> document, string textName, string imageName, string vectorName, string scoreName)
    {
        var score = new OutputColumn(scoreName, OutputKind.Score, document);
        OutputColumn Text(params IReadOnlyList<InputColumn> inputs) => new(textName, OutputKind.Text, inputs);
        OutputColumn Draw(InputColumn what, params IReadOnlyList<InputColumn> inputs) =>
            what.IsVector ? new(vectorName, OutputKind.Vector, inputs) : new(imageName, OutputKind.Image, inputs);
        return document switch
        {
            [{ IsText: false }] => [score],
            [{ IsText: true }] => [Text(document), score],
            [{ IsText: true } text, { IsText: false } image] => [Text(image), Draw(image, text), score],
            [{ IsText: false } image, { IsText: true } text] => [Text(image), Draw(image, text), score],
            [.., { IsText: false } last] => [Draw(last, [.. document.SkipLast(1)]), score],
            [.., _] => [Text([.. document.SkipLast(1)]), score],
            [] => throw new ArgumentException("A document has at least one column.", nameof(document)),
        };
    }
}
