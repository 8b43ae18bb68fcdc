// The documents of a DataCache as a list: each is made anew when it is asked for, and its images when their latents are.
using Microsoft.ML.Transfusion.Codecs;
using Microsoft.ML.Transfusion.Sequences;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

/// <param name="cache">Holds the parts.</param>
/// <param name="rows">Addresses of the documents' parts.</param>
/// <param name="latentShape">Of every image: [C, H, W].</param>
/// <param name="codec">Makes latents of what is stored of vectors, or of pictures that an autoencoder has encoded.</param>
internal sealed class StoredDocuments(DataCache cache, List<long> rows, long[] latentShape, LatentCodec codec) : IReadOnlyList<Document>
{
    public int Count => rows.Count;

    public Document this[int index]
    {
        get
        {
            ReadOnlySpan<StoredPart> stored = StoredRow.Parts(cache, rows[index]);
            var parts = new DocumentPart[stored.Length];
            for (int i = 0; i < parts.Length; i++)
                parts[i] = ToPart(stored[i]);
            return new Document(parts);
        }
    }

    public IEnumerator<Document> GetEnumerator() => Enumerable.Range(0, Count).Select(index => this[index]).GetEnumerator();

    System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();

    private DocumentPart ToPart(StoredPart part) => part.Kind switch
    {
        StoredPartKind.Tokens => new TextPart(cache.At<int>(part.Address, part.Length).ToArray()),
        StoredPartKind.Measured => new ImagePart(() =>
        {
            using Tensor values = StoredLatents.ReadExact(cache, part.Address, latentShape);
            return codec.Normalize(values);
        }),
        _ => new ImagePart(() => StoredLatents.Read(cache, part.Address, part.Kind == StoredPartKind.Image8Bit, latentShape)),
    };
}
