// The rows that were read, between reading and training: latents and strings, and the rows' numbers for messages.
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Codecs;
using Microsoft.ML.Transfusion.Imaging;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class RowDocuments(TransfusionTrainer.Options options) : IDisposable
{
    private readonly List<(long Row, IReadOnlyList<Part> Parts)> _rows = [];

    public int Count => _rows.Count;

    /// <summary>All texts, row after row.</summary>
    public IEnumerable<string> Texts => _rows.SelectMany(row => row.Parts).Select(part => part.Text).OfType<string>();

    /// <summary>Takes over the parts: pixels become latents, mirrored ones too where the options say so, and are disposed.</summary>
    public void Add(long row, IReadOnlyList<RowPart> parts)
    {
        _rows.Add((row, [.. parts.Select(Store)]));
        foreach (RowPart part in parts)
            part.Pixels?.Dispose();
    }

    /// <summary>Cuts the texts into tokens. With <see cref="TransfusionTrainer.Options.HorizontalFlip"/> every row is there twice, the second time mirrored.</summary>
    /// <exception cref="InvalidOperationException">A document is longer than the network's context.</exception>
    public List<Document> Encode(TextTokenizer tokenizer, IExceptionContext context)
    {
        List<Document> documents = new(_rows.Count);
        foreach ((long row, IReadOnlyList<Part> parts) in _rows)
        {
            List<int[]?> tokens = [.. parts.Select(part => part.Text is null ? null : tokenizer.Encode(part.Text))];
            var document = new Document([.. parts.Select((part, at) => ToPart(tokens[at], part.Latents))]);
            CheckLength(document, row, context);
            documents.Add(document);
            if (options.HorizontalFlip)
                documents.Add(new Document([.. parts.Select((part, at) => ToPart(tokens[at], part.Mirrored))]));
        }
        return documents;
    }

    public void Dispose()
    {
        foreach (Part part in _rows.SelectMany(row => row.Parts))
        {
            part.Latents?.Dispose();
            part.Mirrored?.Dispose();
        }
        _rows.Clear();
    }

    // A learned codec does not commute with mirroring, so pixels are mirrored, not latents.
    private Part Store(RowPart part)
    {
        if (part.Pixels is null)
            return new Part(part.Text, null, null);
        using var scope = NewDisposeScope();
        Tensor? mirrored = options.HorizontalFlip ? ToLatents(ImageTensors.FlipHorizontally(part.Pixels)) : null;
        return new Part(null, ToLatents(part.Pixels), mirrored);
    }

    private static Tensor ToLatents(Tensor pixels) => PixelCodec.Encode(pixels).to(ScalarType.Float16).DetachFromDisposeScope();

    private static DocumentPart ToPart(int[]? tokens, Tensor? latents) => tokens is null ? new ImagePart(latents!) : new TextPart(tokens);

    private void CheckLength(Document document, long row, IExceptionContext context)
    {
        int length = SequenceBatch.LengthOf(document.Parts, options.Image.PatchCount), limit = options.Transformer.MaxSequenceLength;
        if (length <= limit)
            return;
        int images = document.Parts.OfType<ImagePart>().Count(), tokens = document.Parts.OfType<TextPart>().Sum(part => part.TokenIds.Length);
        throw context.Process(new InvalidOperationException($"Row {row} takes {length} positions ({tokens} text tokens and {images} images of "
            + $"{options.Image.PatchCount} patches, with special tokens), more than Transformer.MaxSequenceLength, {limit}. Raise that, shorten the text, "
            + "train a larger vocabulary, or take smaller images or larger patches."));
    }

    private readonly record struct Part(string? Text, Tensor? Latents, Tensor? Mirrored);
}
