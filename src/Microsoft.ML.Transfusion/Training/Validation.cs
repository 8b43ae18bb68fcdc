// Both losses on documents that are not trained on, at the same timesteps and noise every time.
using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

internal static class Validation
{
    private const int Seed = 20240820;                      // one fixed draw of timesteps and noise for all runs

    /// <summary>Mean language loss over tokens and mean diffusion loss over images, documents laid out as they stand; NaN where there are none.</summary>
    public static (double Language, double Diffusion) Evaluate(TransfusionNetwork network, DiffusionProcess diffusion, TransfusionConfig config,
        SpecialTokens special, IReadOnlyList<Document> documents, int batchSize)
    {
        using var noGradient = no_grad();
        using Generator generator = new Generator(Seed, CPU);
        double language = 0, images = 0;
        long tokens = 0, imageCount = 0;
        foreach (Document[] chunk in documents.Chunk(batchSize))
        {
            using var scope = NewDisposeScope();
            using SequenceBatch batch = SequenceBatch.Create([.. chunk.Select(document => Arrangement.AsIs(document, config.Diffusion))], special, config.Grid.PatchCount, images: config.ImagePositions);
            NoiseDraw? draw = batch.Images is null ? null : NoiseDraw.Random(batch, config.Diffusion with { Timesteps = TimestepDistribution.Uniform }, generator);
            LossParts loss = TransfusionLoss.Compute(network, diffusion, batch, config.Grid, draw);
            language += loss.LanguageLoss?.sum().AsDouble() ?? 0;
            tokens += batch.Targets.shape[0];
            images += loss.DiffusionLoss?.sum().AsDouble() ?? 0;
            imageCount += batch.MaxTimesteps.Length;
        }
        return (language / tokens, images / imageCount);
    }
}
