// How likely a model finds given documents: language loss with clean images, diffusion loss at a few fixed noise levels.
using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Torch;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static Microsoft.ML.Transfusion.Torch.Arithmetic;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Evaluation;

internal static class DocumentScorer
{
    private const int NoiseLevels = 4;
    private const int Seed = 20240820;

    /// <summary>
    /// Scores by row. A pair of text and image is read both ways: its text given the clean image, and its image given the text. Other
    /// documents are read as they stand.
    /// </summary>
    public static TransfusionScore[] Score(TransfusionNetwork network, TransfusionConfig config, SpecialTokens special, IReadOnlyList<Document> documents)
    {
        if (documents.Count == 0)
            return [];
        using var inference = inference_mode();
        using var diffusion = DiffusionProcess.Create(config.Diffusion, network.Device);
        (float[] language, int[] tokens) = LanguageLosses(network, diffusion, config, special, documents);
        float[] images = DiffusionLosses(network, diffusion, config, special, documents);
        return [.. documents.Select((_, row) => new TransfusionScore(language[row], images[row], tokens[row]))];
    }

    private static (float[] Losses, int[] Tokens) LanguageLosses(TransfusionNetwork network, DiffusionProcess diffusion, TransfusionConfig config, SpecialTokens special, IReadOnlyList<Document> documents)
    {
        using var scope = NewDisposeScope();
        using SequenceBatch batch = Layout(documents, imageFirst: true, config, special);
        Tensor? losses = TransfusionLoss.Compute(network, diffusion, batch, config.Grid, Draw(batch, timestep: 0, noisy: false)).LanguageLoss;
        float[] ofTokens = losses?.cpu().data<float>().ToArray() ?? [];
        var result = new float[documents.Count];
        for (int row = 0, at = 0; row < documents.Count; at += batch.TargetsOfRow[row++])
            result[row] = batch.TargetsOfRow[row] == 0 ? float.NaN : ofTokens.AsSpan(at, batch.TargetsOfRow[row]).ToArray().Average();
        return (result, batch.TargetsOfRow);
    }

    private static float[] DiffusionLosses(TransfusionNetwork network, DiffusionProcess diffusion, TransfusionConfig config, SpecialTokens special, IReadOnlyList<Document> documents)
    {
        using SequenceBatch batch = Layout(documents, imageFirst: false, config, special);
        var sums = new float[documents.Count];
        if (batch.MaxTimesteps.Length == 0)
            return [.. sums.Select(_ => float.NaN)];
        int levels = batch.Images is null ? 1 : NoiseLevels;                                    // codes are never noised
        for (int level = 0; level < levels; level++)
        {
            using var scope = NewDisposeScope();
            int timestep = (2 * level + 1) * config.Diffusion.NumberOfTrainTimesteps / (2 * NoiseLevels);      // the middle of each quarter
            float[] losses = TransfusionLoss.Compute(network, diffusion, batch, config.Grid, Draw(batch, timestep, noisy: true)).DiffusionLoss!.cpu().data<float>().ToArray();
            for (int image = 0; image < losses.Length; image++)
                sums[batch.RowOfImage[image]] += losses[image];
        }
        int[] counts = [.. documents.Select((_, row) => batch.RowOfImage.Count(of => of == row))];
        return [.. sums.Select((sum, row) => counts[row] == 0 ? float.NaN : sum / (levels * counts[row]))];
    }

    /// <summary>One timestep for all images, and one noise for all, so that a document's score does not depend on its neighbours.</summary>
    internal static NoiseDraw? Draw(SequenceBatch batch, int timestep, bool noisy)
    {
        if (batch.Images is null)
            return null;
        using var generator = new Generator(Seed, CPU);
        long[] shape = batch.Images.shape;
        using Tensor noise = noisy ? randn(shape[1..], generator: generator) : zeros(shape[1..]);
        return new NoiseDraw(Full([shape[0]], timestep, ScalarType.Int64), noise.unsqueeze(0).expand(shape).contiguous());
    }

    internal static SequenceBatch Layout(IReadOnlyList<Document> documents, bool imageFirst, TransfusionConfig config, SpecialTokens special)
    {
        Document Turn(Document document) => document.Parts switch
        {
            [TextPart text, ImagePart image] when imageFirst => new Document([image, text]),
            [ImagePart image, TextPart text] when !imageFirst => new Document([text, image]),
            _ => document,
        };
        ArrangedDocument Arrange(Document document) =>
            Arrangement.AsIs(document, config.Diffusion) with { HasLanguageLoss = document.Parts.Any(part => part is TextPart) };
        return SequenceBatch.Create([.. documents.Select(document => Arrange(Turn(document)))], special, config.Grid.PatchCount, images: config.ImagePositions);
    }
}
