// What training reads, once for however many runs: documents and held-out documents in the ids of one vocabulary.
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tokenization;

namespace Microsoft.ML.Transfusion.Data;

/// <param name="Config">What the network is made of; of vectors it has the statistics of the training data.</param>
/// <param name="Columns">The columns that were read, in the order of a document's parts.</param>
/// <param name="Cache">Holds the documents, which live as long as this object.</param>
internal sealed record TrainingDocuments(TransfusionConfig Config, IReadOnlyList<InputColumn> Columns, TextTokenizer Tokenizer, IReadOnlyList<Document> Training,
    IReadOnlyList<Document> Validation, DataCache Cache) : IDisposable
{
    public void Dispose() => Cache.Dispose();
}
