// Turns a shuffled stream of documents into batches of one layout each, so that rows need no padding and attention no mask per row. Of the
// data set only the order, four bytes a document, and the documents that wait for others of their layout are in memory; no image is read here.
using Microsoft.ML.Transfusion.Sequences;

namespace Microsoft.ML.Transfusion.Training;

/// <param name="Rows">Documents as they are laid out this time.</param>
/// <param name="Next">Where the stream goes on after them.</param>
internal sealed record GroupedBatch(IReadOnlyList<ArrangedDocument> Rows, DataPosition Next);

/// <param name="seed">Decides order and layouts of every pass.</param>
internal sealed class BatchGrouping(IReadOnlyList<Document> documents, DiffusionConfig config, int batchSize, int seed)
{
    private const int LeastBatchesInPass = 16;
    private const int MostOpenBatches = 256;                // so many batches' documents wait for others at most

    /// <summary>
    /// Batches without end. A batch whose rows differ in layout comes only at the end of a pass over the data, from what was left over, and
    /// where layouts are so many that too much would wait: such rows are sorted by length, so padding stays small.
    /// </summary>
    /// <param name="from">Where to begin; the batches are those that a stream from the start would give there.</param>
    public IEnumerable<GroupedBatch> Batches(DataPosition from = default)
    {
        // A small data set is gone through several times in one pass, or else no layout would ever fill a batch.
        int repeats = Math.Max(1, LeastBatchesInPass * batchSize / documents.Count);
        for (int pass = from.Pass; ; pass++)
        {
            int batch = 0, skipped = pass == from.Pass ? from.Batch : 0;
            foreach (IReadOnlyList<ArrangedDocument> rows in Pass(repeats, new Random((int)StepSeed.Of(seed, pass))))
            {
                batch++;
                if (batch > skipped)
                    yield return new GroupedBatch(rows, new DataPosition(pass, batch));
            }
        }
    }

    private IEnumerable<IReadOnlyList<ArrangedDocument>> Pass(int repeats, Random random)
    {
        int[] order = new int[documents.Count * repeats];
        for (int i = 0; i < order.Length; i++)
            order[i] = i % documents.Count;
        random.Shuffle(order);
        var groups = new Dictionary<string, List<ArrangedDocument>>();
        int waiting = 0;
        foreach (int index in order)
        {
            ArrangedDocument document = Arrangement.Arrange(documents[index], config, random);
            string layout = LayoutOf(document);
            if (!groups.TryGetValue(layout, out List<ArrangedDocument>? group))
                groups.Add(layout, group = new List<ArrangedDocument>(batchSize));
            group.Add(document);
            waiting++;
            if (group.Count == batchSize)
            {
                yield return group;
                groups.Remove(layout);
                waiting -= batchSize;
            }
            else if (waiting == MostOpenBatches * batchSize)
            {
                foreach (ArrangedDocument[] mixed in Leftovers(groups))
                    yield return mixed;
                groups.Clear();
                waiting = 0;
            }
        }
        foreach (ArrangedDocument[] mixed in Leftovers(groups))
            yield return mixed;
    }

    private IEnumerable<ArrangedDocument[]> Leftovers(Dictionary<string, List<ArrangedDocument>> groups) =>
        groups.OrderBy(group => group.Key, StringComparer.Ordinal).SelectMany(group => group.Value).Chunk(batchSize);

    /// <summary>The lengths of a document's text runs and where its images stand: "t12i" is twelve tokens, then an image.</summary>
    private static string LayoutOf(ArrangedDocument document) =>
        string.Concat(document.Parts.Select(part => part is TextPart text ? $"t{text.TokenIds.Length:D4}" : "i"));
}
