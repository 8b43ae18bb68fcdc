// Computes output values for a batch of rows with the model: the seam between cursors and the network.
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Codecs;
using Microsoft.ML.Transfusion.Imaging;
using Microsoft.ML.Transfusion.Sequences;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

/// <summary>Computes one output for several rows, each with at least one part; null where the model gives none.</summary>
/// <returns>A string, pixels that the caller disposes, or a <see cref="TransfusionScore"/> for each row.</returns>
internal delegate object?[] ComputeOutputs(OutputKind kind, IReadOnlyList<IReadOnlyList<RowPart>> rows);

internal sealed class ModelOutputs(TransfusionModel model, GenerationOptions options)
{
    public object?[] Compute(OutputKind kind, IReadOnlyList<IReadOnlyList<RowPart>> rows) => kind switch
    {
        OutputKind.Score => Score(rows),
        OutputKind.Text when rows.All(row => row is [{ Pixels: not null }]) =>
            model.CaptionBatch([.. rows.Select(row => row[0].Pixels!)], options, CancellationToken.None),
        OutputKind.Image when rows.All(row => row is [{ Text: not null }]) =>
            model.GenerateImageBatch([.. rows.Select(row => row[0].Text!)], options, CancellationToken.None),
        _ => [.. rows.Select(row => Continue(kind, row))],
    };

    private object?[] Score(IReadOnlyList<IReadOnlyList<RowPart>> rows)
    {
        using var scope = NewDisposeScope();
        return [.. model.ScoreBatch([.. rows.Select(Document)], CancellationToken.None)];
    }

    private Document Document(IReadOnlyList<RowPart> row) => new([.. row.Select(part => part.Text is null
        ? (DocumentPart)new ImagePart(PixelCodec.Encode(part.Pixels!)) : new TextPart(model.Tokenizer.Encode(part.Text)))]);

    /// <summary>The first piece of the wanted kind in what the model says next.</summary>
    private object? Continue(OutputKind kind, IReadOnlyList<RowPart> row)
    {
        List<SequencePart> prompt = [.. row.Select(part => part.Text is null
            ? (SequencePart)new SequencePart.Image(ImageTensors.ToImage(part.Pixels!)) : new SequencePart.Text(part.Text))];
        try
        {
            foreach (SequencePart part in model.Generate(prompt, options))
            {
                if (part is SequencePart.Text text && kind == OutputKind.Text)
                    return text.Value;
                if (part is not SequencePart.Image { Value: var image })
                    continue;
                using (image)
                {
                    if (kind == OutputKind.Image)
                        return ImageTensors.ToTensor(image, model.Config.Image.ImageHeight, model.Config.Image.ImageWidth).DetachFromDisposeScope();
                }
            }
            return null;
        }
        finally
        {
            foreach (SequencePart.Image image in prompt.OfType<SequencePart.Image>())
                image.Value.Dispose();
        }
    }
}
