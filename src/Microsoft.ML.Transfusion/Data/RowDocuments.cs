// The rows of a view, as they are read: latents and texts go to the cache, and when the vocabulary is known the texts become tokens.
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Codecs;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

/// <param name="codec">What is stored of pictures and vectors; its statistics do not count yet.</param>
internal sealed class RowDocuments(TransfusionConfig config, LatentCodec codec, DataCache cache)
{
    private readonly List<long> _rows = [];
    private readonly ChannelStatistics _statistics = new(config.Grid.Channels);

    public int Count => _rows.Count;

    /// <summary>All texts, row after row, each made anew; until they are tokens.</summary>
    public IEnumerable<string> Texts =>
        from row in _rows
        from part in StoredRow.Parts(cache, row).ToArray()
        where part.Kind == StoredPartKind.Text
        select TextOf(part);

    /// <summary>The configuration of what was read: with the statistics of its vectors or latents, if it has any.</summary>
    public TransfusionConfig Measured => config with
    {
        Vector = config.Vector is { } vector ? vector with { Mean = _statistics.Mean, StandardDeviation = _statistics.StandardDeviation } : null,
        Latents = config.Latents is { NumberOfCodes: null } latents ? latents with { Mean = _statistics.Mean, StandardDeviation = _statistics.StandardDeviation } : config.Latents,
    };

    /// <summary>Takes over the parts: pixels become latents and are disposed.</summary>
    public void Add(long row, IReadOnlyList<RowPart> parts)
    {
        try
        {
            long address = StoredRow.Allocate(cache, row, parts.Count);
            Span<StoredPart> stored = StoredRow.Parts(cache, address);
            for (int i = 0; i < parts.Count; i++)
                stored[i] = parts[i].Text is { } text ? Store(text) : Store(parts[i].Values!);
            _rows.Add(address);
        }
        finally
        {
            foreach (RowPart part in parts)
                part.Values?.Dispose();
        }
    }

    /// <summary>Rows of one picture each as they were read, which live as long as the cache.</summary>
    public IReadOnlyList<Document> Pictures() => new StoredDocuments(cache, _rows, config.Grid.LatentShape, codec);

    /// <summary>Cuts the texts into tokens, which take their place. The documents live as long as the cache.</summary>
    /// <exception cref="InvalidOperationException">A document is longer than the network's context.</exception>
    /// <param name="measured">Makes latents of what is stored, with the training data's statistics.</param>
    public IReadOnlyList<Document> Encode(TextTokenizer tokenizer, LatentCodec measured, IExceptionContext context)
    {
        var documents = new StoredDocuments(cache, _rows, config.Grid.LatentShape, measured);
        for (int row = 0; row < _rows.Count; row++)
        {
            foreach (ref StoredPart part in StoredRow.Parts(cache, _rows[row]))
                if (part.Kind == StoredPartKind.Text)
                    part = Store(tokenizer.Encode(TextOf(part)));
            CheckLength(documents[row], StoredRow.At(cache, _rows[row]).Number, context);
        }
        return documents;
    }

    private StoredPart Store(string text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        Encoding.UTF8.GetBytes(text, cache.Allocate(length, out long address));
        return new StoredPart(address, length, StoredPartKind.Text);
    }

    private StoredPart Store(int[] tokens)
    {
        MemoryMarshal.AsBytes<int>(tokens).CopyTo(cache.Allocate(tokens.Length * sizeof(int), out long address));
        return new StoredPart(address, tokens.Length, StoredPartKind.Tokens);
    }

    /// <summary>Pixels are their own latents; vectors, and what an autoencoder makes of pictures, become latents when all are read and measured.</summary>
    private StoredPart Store(Tensor values)
    {
        if (codec.StoresExactly)
        {
            using Tensor compressed = codec.Compress(values);
            _statistics.Add(compressed);
            return new StoredPart(StoredLatents.WriteExact(compressed, cache), 0, StoredPartKind.Measured);
        }
        long address = StoredLatents.Write(values, cache, out bool is8Bit);
        return new StoredPart(address, 0, is8Bit ? StoredPartKind.Image8Bit : StoredPartKind.Image16Bit);
    }

    private string TextOf(StoredPart part) => Encoding.UTF8.GetString(cache.At(part.Address, part.Length));

    private void CheckLength(Document document, long row, IExceptionContext context)
    {
        int length = SequenceBatch.LengthOf(document.Parts, config.Grid.PatchCount), limit = config.Transformer.MaxSequenceLength;
        if (length <= limit)
            return;
        int images = document.Parts.OfType<ImagePart>().Count(), tokens = document.Parts.OfType<TextPart>().Sum(part => part.TokenIds.Length);
        throw context.Process(new InvalidOperationException($"Row {row} takes {length} positions ({tokens} text tokens and {images} {(config.Vector is null ? "images" : "vectors")} of "
            + $"{config.Grid.PatchCount} patches, with special tokens), more than Transformer.MaxSequenceLength, {limit}. Raise that, shorten the text, "
            + "train a larger vocabulary, or take larger patches."));
    }
}
