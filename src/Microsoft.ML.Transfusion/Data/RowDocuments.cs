// The rows that were read, between reading and training: latents and strings, and the rows' numbers for messages.
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Codecs;
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

    /// <summary>Takes over the parts: pixels become latents and are disposed.</summary>
    public void Add(long row, IReadOnlyList<RowPart> parts)
    {
        _rows.Add((row, [.. parts.Select(Store)]));
        foreach (RowPart part in parts)
            part.Pixels?.Dispose();
    }

    /// <summary>Cuts the texts into tokens. The latents stay this object's.</summary>
    /// <exception cref="InvalidOperationException">A document is longer than the network's context.</exception>
    public List<Document> Encode(TextTokenizer tokenizer, IExceptionContext context)
    {
        List<Document> documents = new(_rows.Count);
        foreach ((long row, IReadOnlyList<Part> parts) in _rows)
        {
            var document = new Document([.. parts.Select(part => part.Text is null
                ? (DocumentPart)new ImagePart(part.Latents!) : new TextPart(tokenizer.Encode(part.Text)))]);
            CheckLength(document, row, context);
            documents.Add(document);
        }
        return documents;
    }

    public void Dispose()
    {
        foreach (Part part in _rows.SelectMany(row => row.Parts))
            part.Latents?.Dispose();
        _rows.Clear();
    }

    private static Part Store(RowPart part)
    {
        using var scope = NewDisposeScope();
        return new Part(part.Text, part.Pixels is null ? null : PixelCodec.Encode(part.Pixels).to(ScalarType.Float16).DetachFromDisposeScope());
    }

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

    private readonly record struct Part(string? Text, Tensor? Latents);
}
