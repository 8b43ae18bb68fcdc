using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Training;

public sealed class BatchGroupingTests : IDisposable
{
    private static readonly DiffusionConfig Diffusion = new() { ConditionDropout = 0 };
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void Batches_show_every_document_equally_often_in_a_pass()
    {
        Document[] documents = [.. TinyNetwork.Documents(300), new([new TextPart([1])]), new([])];
        const int BatchSize = 8, Passes = 3;

        using IEnumerator<IReadOnlyList<ArrangedDocument>> batches = Grouping(documents, BatchSize).Batches().Select(batch => batch.Rows).GetEnumerator();
        for (int pass = 0; pass < Passes; pass++)
        {
            var counts = new Dictionary<string, int>();
            for (int left = documents.Length; left > 0; left -= batches.Current.Count)
            {
                batches.MoveNext();
                Assert.InRange(batches.Current.Count, 1, BatchSize);
                foreach (ArrangedDocument document in batches.Current)
                    counts[Name(document.Parts)] = counts.GetValueOrDefault(Name(document.Parts)) + 1;
            }
            Assert.Equal(
                documents.GroupBy(document => Name(document.Parts)).ToDictionary(group => group.Key, group => group.Count()).OrderBy(pair => pair.Key, StringComparer.Ordinal),
                counts.OrderBy(pair => pair.Key, StringComparer.Ordinal));
        }
    }

    [Fact]
    public void Batches_that_are_full_have_one_layout_and_are_almost_all()
    {
        Document[] documents = TinyNetwork.Documents(1000);

        IReadOnlyList<ArrangedDocument>[] batches = [.. Grouping(documents, 16).Batches().Take(60).Select(batch => batch.Rows)];

        int uniform = batches.Count(batch =>
        {
            using SequenceBatch made = SequenceBatch.Create(batch, TinyNetwork.Special, 4);
            return made.Mask.IsUniform && batch.Select(row => SequenceBatch.LengthOf(row.Parts, 4)).Distinct().Count() == 1;
        });
        Assert.InRange(uniform, 54, 60);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(8)]
    public void Batches_of_a_small_data_set_are_mostly_full(int count)
    {
        Document[] documents = TinyNetwork.Documents(count);

        IReadOnlyList<ArrangedDocument>[] batches = [.. Grouping(documents, 8).Batches().Take(40).Select(batch => batch.Rows)];

        Assert.InRange(batches.Average(batch => batch.Count), 7, 8);
    }

    [Fact]
    public void Batches_are_decided_by_the_seed()
    {
        Document[] documents = TinyNetwork.Documents(50);
        string[] Draw(int seed) => [.. new BatchGrouping(documents, Diffusion, 8, seed).Batches().Take(30).SelectMany(batch => batch.Rows).Select(row => Name(row.Parts))];

        Assert.Equal(Draw(1), Draw(1));
        Assert.NotEqual(Draw(1), Draw(2));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(7)]
    [InlineData(19)]
    public void Batches_go_on_from_where_a_batch_says(int taken)
    {
        Document[] documents = TinyNetwork.Documents(50);
        BatchGrouping grouping = Grouping(documents, 8);
        DataPosition position = grouping.Batches().Take(taken).Select(batch => batch.Next).LastOrDefault();

        string[] Names(IEnumerable<GroupedBatch> batches) => [.. batches.Select(batch => string.Join('|', batch.Rows.Select(row => Name(row.Parts))))];
        Assert.Equal(Names(grouping.Batches().Skip(taken).Take(20)), Names(grouping.Batches(position).Take(20)));
    }

    [Fact]
    public void Batches_keep_a_bounded_number_of_documents_waiting_however_many_layouts_there_are()
    {
        const int BatchSize = 2, Layouts = 3000;
        int asked = 0, given = 0;
        var documents = new Asked(() => asked++, [.. Enumerable.Range(1, Layouts).Select(length => new Document([new TextPart(new int[length])]))]);

        foreach (GroupedBatch batch in new BatchGrouping(documents, Diffusion, BatchSize, seed: 1).Batches().TakeWhile(batch => batch.Next.Pass == 0))
        {
            Assert.InRange(asked - given, 1, 256 * BatchSize);
            given += batch.Rows.Count;
            int[] lengths = [.. batch.Rows.Select(row => SequenceBatch.LengthOf(row.Parts, 0))];
            Assert.InRange(lengths.Max() - lengths.Min(), 0, Layouts / 10);
        }
        Assert.Equal(Layouts, given);
    }

    private static BatchGrouping Grouping(Document[] documents, int batchSize) => new(documents, Diffusion, batchSize, seed: 1);

    private sealed class Asked(Action onAsk, Document[] documents) : IReadOnlyList<Document>
    {
        public int Count => documents.Length;

        public Document this[int index]
        {
            get
            {
                onAsk();
                return documents[index];
            }
        }

        public IEnumerator<Document> GetEnumerator() => documents.AsEnumerable().GetEnumerator();

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }

    /// <summary>Tells documents apart, whichever order their parts are in.</summary>
    private static string Name(IReadOnlyList<DocumentPart> parts) => string.Join(' ', parts.Select(part => part switch
    {
        TextPart text => "text " + string.Join(',', text.TokenIds),
        ImagePart image => $"image {image.Latents.sum().ToSingle():r}",
        _ => "",
    }).Order(StringComparer.Ordinal));
}
