// Computes output values for a batch of rows with the model: the seam between cursors and the network.
using Microsoft.ML.Transfusion.Generation;
using Microsoft.ML.Transfusion.Sequences;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

/// <summary>Computes one output for several rows, each with at least one part; null where the model gives none.</summary>
/// <returns>A string, values that the caller disposes, a <see cref="TransfusionScore"/> or an array of numbers for each row.</returns>
internal delegate object?[] ComputeOutputs(OutputColumn output, IReadOnlyList<IReadOnlyList<RowPart>> rows);

internal sealed class ModelOutputs(TransfusionModel model, GenerationOptions options)
{
    public object?[] Compute(OutputColumn output, IReadOnlyList<IReadOnlyList<RowPart>> rows)
    {
        using var scope = NewDisposeScope();
        Document[] documents = [.. rows.Select(row => new Document([.. row.Select(ToPart)]))];
        ulong[] seeds = [.. documents.Select(document => RowSeed.Of(options.Seed, document))];
        return output.Kind switch
        {
            OutputKind.Score => [.. model.ScoreBatch(documents, CancellationToken.None)],
            OutputKind.Rank => [.. model.RankBatch([.. documents.Select(document => ((ImagePart)document.Parts[0]).Latents)], output.Candidates!)
                .Select(row => row.Select(candidate => (float)candidate.Probability).ToArray())],
            OutputKind.Text => model.ContinueTexts(documents, seeds, options, CancellationToken.None),
            _ => model.DrawImages(documents, seeds, options, CancellationToken.None),
        };
    }

    private DocumentPart ToPart(RowPart part) => part.Text is { } text ? new TextPart(model.Tokenizer.Encode(text)) : new ImagePart(model.Codec.Encode(part.Values!));
}
