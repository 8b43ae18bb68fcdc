// The scores of generated captions, of one picture or of a corpus.
namespace Microsoft.ML.Transfusion.Evaluation;

internal sealed record CaptionMetrics(double Bleu1, double Bleu2, double Bleu3, double Bleu4, double RougeL, double Cider)
{
    public static CaptionMetrics Of(CaptionPair pair, CaptionDocumentFrequencies frequencies) =>
        Create(BleuScore.Of(pair), Evaluation.RougeL.Of(pair), new CiderD(frequencies).Of(pair));

    public static CaptionMetrics OfCorpus(IReadOnlyCollection<CaptionPair> pairs, CaptionDocumentFrequencies frequencies)
    {
        var cider = new CiderD(frequencies);
        return Create(BleuScore.OfCorpus(pairs), pairs.Average(Evaluation.RougeL.Of), pairs.Average(cider.Of));
    }

    private static CaptionMetrics Create(double[] bleu, double rougeL, double cider) => new(bleu[0], bleu[1], bleu[2], bleu[3], rougeL, cider);
}
