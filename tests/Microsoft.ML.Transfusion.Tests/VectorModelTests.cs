using Microsoft.ML.Data;

namespace Microsoft.ML.Transfusion.Tests;

[Trait("Category", "Slow")]
public sealed class VectorModelTests : IDisposable
{
    private readonly MLContext _ml = new(1);
    private readonly TransfusionTransformer _trained;

    public VectorModelTests() => _trained = _ml.Generation.Trainers.Transfusion(WaveVectors.Options with { NumberOfSteps = 1500 })
        .Fit(_ml.Data.LoadFromEnumerable(WaveVectors.Rows(2000, seed: 1)));

    public void Dispose() => _trained.Dispose();

    [Fact]
    public void Text_and_vectors_of_sensors_give_each_other_after_saving_and_loading()
    {
        List<WaveRow> unseen = WaveVectors.Rows(100, seed: 2);
        using var folder = new TemporaryFolder();
        _ml.Model.Save(_trained, null, folder.File("waves.zip"));
        ITransformer loaded = _ml.Model.Load(folder.File("waves.zip"), out _);

        List<GeneratedWave> answers = [.. _ml.Data.CreateEnumerable<GeneratedWave>(loaded.Transform(_ml.Data.LoadFromEnumerable(unseen)), reuseRowObject: false)];

        Assert.InRange(answers.Zip(unseen).Count(pair => pair.First.GeneratedText == pair.Second.Caption), 95, 100);
        Assert.InRange(answers.Zip(unseen).Count(pair => WaveVectors.Nearest(pair.First.GeneratedVector!) == pair.Second.Caption), 90, 100);
        Assert.All(answers, answer => Assert.True(float.IsFinite(answer.Score![1])));
        using TransfusionModel model = ((TransfusionTransformer)loaded).Model;
        float[] alone = model.GenerateVector([new SequencePart.Text(unseen[0].Caption!)], WaveVectors.Options.Generation);
        Assert.Equal(answers[0].GeneratedVector, alone);
        Assert.Equal(answers[0].GeneratedText, model.GenerateText([new SequencePart.Vector(unseen[0].Window!)], WaveVectors.Options.Generation));
        Assert.InRange(model.Config.Vector!.Mean[0], 98f, 102f);
        Assert.InRange(model.Config.Vector.StandardDeviation[1], 0.0005f, 0.0015f);
    }
}
