// Turns a shuffled stream of documents into batches of one layout each, so that rows need no padding and attention no mask per row.
using Microsoft.ML.Transfusion.Sequences;

namespace Microsoft.ML.Transfusion.Training;

internal sealed class BatchGrouping(IReadOnlyList<Document> documents, DiffusionConfig config, int batchSize, Random random)
{
    private const int LeastBatchesInPass = 16;

    /// <summary>
    /// Batches without end. A batch whose rows differ in layout comes only at the end of a pass over the data, from what was left over: such
    /// rows are sorted by length, so padding stays small.
    /// </summary>
    public IEnumerable<IReadOnlyList<ArrangedDocument>> Batches()
    {
        // A small data set is gone through several times in one pass, or else no layout would ever fill a batch.
        int repeats = Math.Max(1, LeastBatchesInPass * batchSize / documents.Count);
        int[] order = [.. Enumerable.Range(0, documents.Count * repeats).Select(i => i % documents.Count)];
        while (true)
        {
            random.Shuffle(order);
            var groups = new Dictionary<string, List<ArrangedDocument>>();
            foreach (int index in order)
            {
                ArrangedDocument document = Arrangement.Arrange(documents[index], config, random);
                string layout = LayoutOf(document);
                if (!groups.TryGetValue(layout, out List<ArrangedDocument>? group))
                    groups.Add(layout, group = new List<ArrangedDocument>(batchSize));
                group.Add(document);
                if (group.Count < batchSize)
                    continue;
                yield return group;
                groups.Remove(layout);
            }
            foreach (ArrangedDocument[] batch in groups.OrderBy(group => group.Key, StringComparer.Ordinal).SelectMany(group => group.Value).Chunk(batchSize))
                yield return batch;
        }
    }

    /// <summary>The lengths of a document's text runs and where its images stand: "t12i" is twelve tokens, then an image.</summary>
    private static string LayoutOf(ArrangedDocument document) =>
        string.Concat(document.Parts.Select(part => part is TextPart text ? $"t{text.TokenIds.Length:D4}" : "i"));
}
