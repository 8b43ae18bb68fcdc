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
}

/// <summary>A column of text or pictures that documents are made of.</summary>
internal sealed record InputColumn(string Name, bool IsImage);

/// <param name="Candidates">The captions that <see cref="OutputKind.Rank"/> is about; null for others.</param>
internal sealed record OutputColumn(string Name, OutputKind Kind, IReadOnlyList<InputColumn> Inputs, IReadOnlyList<string>? Candidates = null);

/// <summary>What a transformer saves beside the model. Column names and sampling belong to it, not to the network.</summary>
/// <param name="BatchSize">Rows that are read ahead and go through the network together.</param>
internal sealed record ScoringConfig(IReadOnlyList<OutputColumn> Outputs, GenerationOptions Generation, int BatchSize)
{
    public const int DefaultBatchSize = 32;

    /// <summary>
    /// The outputs of a model trained on documents of these columns. A text and an image, in any order, give each other. Of longer documents
    /// the last column is generated from those before it. All columns together are scored.
    /// </summary>
    public static IReadOnlyList<OutputColumn> OutputsOf(IReadOnlyList<InputColumn> document, string textName, string imageName, string scoreName)
    {
        var score = new OutputColumn(scoreName, OutputKind.Score, document);
        OutputColumn Text(params IReadOnlyList<InputColumn> inputs) => new(textName, OutputKind.Text, inputs);
        OutputColumn Image(params IReadOnlyList<InputColumn> inputs) => new(imageName, OutputKind.Image, inputs);
        return document switch
        {
            [{ IsImage: true }] => [score],
            [{ IsImage: false }] => [Text(document), score],
            [{ IsImage: false } text, { IsImage: true } image] => [Text(image), Image(text), score],
            [{ IsImage: true } image, { IsImage: false } text] => [Text(image), Image(text), score],
            [.., { IsImage: true }] => [Image([.. document.SkipLast(1)]), score],
            [.., _] => [Text([.. document.SkipLast(1)]), score],
            [] => throw new ArgumentException("A document has at least one column.", nameof(document)),
        };
    }
}
