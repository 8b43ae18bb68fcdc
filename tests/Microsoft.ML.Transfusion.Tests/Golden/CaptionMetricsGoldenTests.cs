// BLEU-1 to BLEU-4, ROUGE-L and CIDEr-D of coco-caption, over a corpus and for each picture.
using System.Text.Json;
using Microsoft.ML.Transfusion.Evaluation;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public class CaptionMetricsGoldenTests
{
    private const double Tolerance = 1e-9;

    [SkippableFact]
    public void Scores_of_a_corpus_are_those_of_coco_caption()
    {
        (GoldenFile golden, CaptionPair[] pairs) = Open();
        var scores = CaptionMetrics.OfCorpus(pairs, FrequenciesOf(pairs));
        JsonElement corpus = golden.Json.GetProperty("corpus");
        foreach ((string name, double actual) in Named(scores))
            golden.Check($"corpus {name}", corpus.GetProperty(name).GetDouble(), actual, Tolerance);
    }

    [SkippableFact]
    public void Scores_of_each_picture_are_those_of_coco_caption()
    {
        (GoldenFile golden, CaptionPair[] pairs) = Open();
        CaptionDocumentFrequencies frequencies = FrequenciesOf(pairs);
        JsonElement items = golden.Json.GetProperty("per_item");
        for (int i = 0; i < pairs.Length; i++)
        {
            foreach ((string name, double actual) in Named(CaptionMetrics.Of(pairs[i], frequencies)))
                golden.Check($"picture {name}", items.GetProperty(name)[i].GetDouble(), actual, Tolerance);
        }
    }

    [SkippableFact]
    public void CaptionTokenizer_leaves_the_recorded_words_as_they_are()
    {
        (GoldenFile golden, CaptionPair[] pairs) = Open();
        string[] candidates = golden.Json.GetProperty("candidates").Deserialize<string[]>()!;
        for (int i = 0; i < candidates.Length; i++)
            Assert.Equal(pairs[i].Candidate, CaptionTokenizer.Split(candidates[i]));
    }

    private static (GoldenFile Golden, CaptionPair[] Pairs) Open()
    {
        GoldenFile golden = GoldenFile.Open("captions_metrics");
        string[][] references = golden.Json.GetProperty("references").Deserialize<string[][]>()!;
        string[] candidates = golden.Json.GetProperty("candidates").Deserialize<string[]>()!;
        Assert.NotEmpty(candidates);
        return (golden, [.. candidates.Zip(references, (candidate, captions) => new CaptionPair(Words(candidate), [.. captions.Select(Words)]))]);
    }

    private static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static CaptionDocumentFrequencies FrequenciesOf(CaptionPair[] pairs) => CaptionDocumentFrequencies.Count(pairs.Select(pair => pair.References));

    private static (string Name, double Value)[] Named(CaptionMetrics scores) =>
        [("Bleu_1", scores.Bleu1), ("Bleu_2", scores.Bleu2), ("Bleu_3", scores.Bleu3), ("Bleu_4", scores.Bleu4), ("ROUGE_L", scores.RougeL), ("CIDEr", scores.Cider)];
}
