// Computes output values for a batch of rows with the model: the seam between cursors and the network.
using Microsoft.ML.Transfusion.Codecs;
using Microsoft.ML.Transfusion.Generation;
using Microsoft.ML.Transfusion.Sequences;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

/// <summary>Computes one output for several rows, each with at least one part; null where the model gives none.</summary>
/// <returns>A string, pixels that the caller disposes, a <see cref="TransfusionScore"/> or an array of numbers for each row.</returns>
internal delegate object?[] ComputeOutputs(OutputColumn output, IReadOnlyList<IReadOnlyList<RowPart>> rows);

internal sealed class ModelOutputs(TransfusionModel model, GenerationOptions options)
{
    public object?[] Compute(OutputColumn output, IReadOnlyList<IReadOnlyList<RowPart>> rows) => output.Kind switch
    {
        OutputKind.Score => Score(rows),
        OutputKind.Rank => [.. model.RankBatch([.. rows.Select(row => row[0].Pixels!)], output.Candidates!)
            .Select(row => row.Select(candidate => (float)candidate.Probability).ToArray())],
        OutputKind.Text when rows.All(row => row is [{ Pixels: not null }]) =>
            model.CaptionBatch([.. rows.Select(row => row[0].Pixels!)], options, CancellationToken.None),
        OutputKind.Image when rows.All(row => row is [{ Text: not null }]) =>
            model.GenerateImageBatch([.. rows.Select(row => row[0].Text!)], options, CancellationToken.None),
        _ => Continue(output.Kind, rows),
    };

    private object?[] Score(IReadOnlyList<IReadOnlyList<RowPart>> rows)
    {
        using var scope = NewDisposeScope();
        return [.. model.ScoreBatch([.. rows.Select(Document)], CancellationToken.None)];
    }

    private Document Document(IReadOnlyList<RowPart> row) => new([.. row.Select(part => part.Text is null
        ? (DocumentPart)new ImagePart(PixelCodec.Encode(part.Pixels!)) : new TextPart(model.Tokenizer.Encode(part.Text)))]);

    /// <summary>The answer to documents of several parts: all of it text, or one picture.</summary>
    private object?[] Continue(OutputKind kind, IReadOnlyList<IReadOnlyList<RowPart>> rows)
    {
        using var scope = NewDisposeScope();
        Document[] documents = [.. rows.Select(Document)];
        ulong[] seeds = [.. documents.Select(document => RowSeed.Of(options.Seed, document))];
        return kind == OutputKind.Text
            ? model.ContinueTexts(documents, seeds, options, CancellationToken.None)
            : model.DrawImages(documents, seeds, options, CancellationToken.None);
    }
}
