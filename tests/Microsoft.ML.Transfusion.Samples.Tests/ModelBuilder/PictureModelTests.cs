using global::ModelBuilder;
using Microsoft.ML.Data;
using Shapes.Data;

namespace Microsoft.ML.Transfusion.Samples.Tests.ModelBuilder;

public sealed class PictureModelTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pictures").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void An_experiment_and_the_pipeline_both_give_a_model_that_is_saved_evaluated_and_used()
    {
        CaptionedFolder.Write(_folder, 40, seed: 1);
        MLContext ml = new(seed: 1);
        IDataView data = PictureModel.LoadData(ml, _folder);
        List<string> lines = [];

        ITransformer once = PictureModel.RetrainPipeline(ml, data, PictureModel.Options(seed: 1) with { NumberOfSteps = 2 });
        ITransformer best = PictureModel.Train(ml, data, TimeSpan.FromSeconds(6), seed: 1, lines.Add).BestRun.Model!;

        Assert.Contains(lines, line => line.Contains("steps", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("Best: ", StringComparison.Ordinal));
        foreach (ITransformer model in (ITransformer[])[once, best])
        {
            PictureModel.SaveModel(ml, model, data, Path.Combine(_folder, "PictureModel.zip"));
            Assert.True(PictureModel.Evaluate(ml, model, ml.Data.TakeRows(data, 4)).LanguageLoss > 0);
            ((IDisposable)model).Dispose();
        }
        PictureModel.ModelPath = Path.Combine(_folder, "PictureModel.zip");
        Assert.NotNull(PictureModel.Caption(Path.Combine(_folder, "00000.png")));
        using MLImage drawing = PictureModel.Draw("a small red circle");
        Assert.Equal((32, 32), (drawing.Width, drawing.Height));
    }
}
