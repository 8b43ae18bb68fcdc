// What caption metrics must be for whatever captions: bounds, and pictures that are scored alone.
using Microsoft.ML.Transfusion.Evaluation;

namespace Microsoft.ML.Transfusion.Tests.Evaluation;

public class CaptionMetricsTests
{
    private static readonly CaptionPair[] Perfect =
        [Pair("a red circle above a square", "a red circle above a square"), Pair("two dogs on green grass", "two dogs on green grass"), Pair("one blue bird sings", "one blue bird sings")];

    [Fact]
    public void Captions_equal_to_their_references_score_highest()
    {
        CaptionMetrics metrics = CaptionMetrics.OfCorpus(Perfect, FrequenciesOf(Perfect));
        Assert.All([metrics.Bleu1, metrics.Bleu2, metrics.Bleu3, metrics.Bleu4, metrics.RougeL, metrics.Cider / 10], score => Assert.Equal(1, score, 1e-9));
    }

    [Fact]
    public void Empty_caption_scores_nothing()
    {
        CaptionMetrics metrics = CaptionMetrics.Of(Pair("", "a red circle"), FrequenciesOf(Perfect));
        Assert.All([metrics.Bleu1, metrics.Bleu4, metrics.RougeL, metrics.Cider], score => Assert.Equal(0, score, 1e-9));
    }

    [Fact]
    public void Bleu_takes_the_shorter_of_two_references_that_are_as_close() =>
        Assert.Equal(1, BleuScore.Of(Pair("a red dog runs", "a red dog", "a red dog runs home"))[0], 1e-8);

    [Fact]
    public void Cider_of_one_picture_needs_frequencies_of_others()
    {
        CaptionPair pair = Perfect[0];
        Assert.Equal(0, CaptionMetrics.OfCorpus([pair], FrequenciesOf(pair)).Cider);
        Assert.Equal(10, CaptionMetrics.OfCorpus([pair], FrequenciesOf(Perfect)).Cider, 1e-9);
    }

    [Fact]
    public void Document_frequencies_come_back_from_their_file()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("df.json");
        CaptionDocumentFrequencies saved = CaptionDocumentFrequencies.Count([["A red dog.", "a red cat"], ["a blue dog"]]);
        saved.Save(path);
        CaptionDocumentFrequencies loaded = CaptionDocumentFrequencies.Load(path);
        Assert.Equal(2, loaded.NumberOfImages);
        Assert.Equal([2, 1, 1, 0], ((string[])["a", "a red", "red dog", "blue cat"]).Select(loaded.Of));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("not JSON")]
    [InlineData("""{"numberOfImages": 0, "frequencies": {}}""")]
    [InlineData("""{"numberOfImages": 2, "frequencies": {"a": 3}}""")]
    [InlineData("""{"numberOfImages": 2, "frequencies": null}""")]
    public void Other_files_are_no_table(string contents)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("df.json"), contents);
        FormatException exception = Assert.Throws<FormatException>(() => CaptionDocumentFrequencies.Load(folder.File("df.json")));
        Assert.Contains("df.json", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Perplexity_and_bits_per_byte_of_even_odds()
    {
        double nats = 6 * Math.Log(2);                             // six tokens, each one of two
        Assert.Equal(2, Perplexity.Of(nats, 6), 1e-12);
        Assert.Equal(0.5, Perplexity.BitsPerByte(nats, 12), 1e-12);
    }

    private static CaptionPair Pair(string candidate, params string[] references) => new(CaptionTokenizer.Split(candidate), [.. references.Select(CaptionTokenizer.Split)]);

    private static CaptionDocumentFrequencies FrequenciesOf(params CaptionPair[] pairs) => CaptionDocumentFrequencies.Count(pairs.Select(pair => pair.References));
}
