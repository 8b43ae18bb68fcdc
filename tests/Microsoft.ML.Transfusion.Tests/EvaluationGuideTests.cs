// The code of docs/evaluation.md, run with a tiny model.
using Microsoft.ML.Data;

namespace Microsoft.ML.Transfusion.Tests;

public class EvaluationGuideTests
{
    [Fact]
    public void Code_of_the_guide_runs()
    {
        using var folder = new TemporaryFolder();
        var ml = new MLContext(seed: 1);
        TransfusionTransformer model = TinyTraining.Transformer;
        IDataView test = TinyTraining.View(ml, TinyTraining.Rows());
        (string results, string references, string drawn, string real, string statistics) =
            (folder.File("results.json"), folder.File("references.json"), folder.File("drawn"), folder.File("real"), folder.File("real.npz"));
        static float[] Features(MLImage image) => [image.Pixels[0], image.Pixels[1], image.Pixels[2]];

        #region evaluate
        TransfusionMetrics metrics = ml.Generation.Evaluate(model.Transform(test));
        Console.WriteLine($"CIDEr {metrics.Cider:f3}, BLEU-4 {metrics.Bleu4:f3}, ROUGE-L {metrics.RougeL:f3} over {metrics.CaptionCount} pictures");
        Console.WriteLine($"perplexity {metrics.Perplexity:f2}, {metrics.BitsPerByte:f3} bits a byte, diffusion loss {metrics.DiffusionLoss:f4}");
        #endregion

        #region frechet
        TransfusionMetrics drawings = ml.Generation.Evaluate(model.Transform(test), new EvaluationOptions
        {
            GeneratedTextColumnName = null,                        // caption nothing
            ScoreColumnName = null,
            ImageFeatures = Features,                              // Func<MLImage, float[]>: a network of yours
        });
        Console.WriteLine($"Fréchet distance {drawings.FrechetDistance:f3}");
        #endregion

        #region exports
        IDataView scored = model.Transform(test);
        ml.Generation.SaveCaptions(scored, results);               // what the model says …
        ml.Generation.SaveReferenceCaptions(scored, references);   // … and what people said, for coco-caption
        ml.Generation.SaveImages(scored, drawn);                   // 00000.png, 00001.png, …, for pytorch-fid and clean-fid
        ml.Generation.SaveImages(scored, real, "Image");
        #endregion

        #region statistics
        IEnumerable<float[]> features = test.GetColumn<MLImage>("Image").Select(Features);
        FeatureStatistics.Compute(features).Save(statistics);      // mu and sigma, as pytorch_fid --save-stats
        #endregion

        Assert.NotNull(metrics.Cider);
        Assert.NotNull(drawings.FrechetDistance);
        Assert.Equal(3, FeatureStatistics.Load(statistics).Dimension);
        Assert.Equal(10, Directory.GetFiles(real).Length);
    }
}
