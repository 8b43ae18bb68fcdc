using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tests.Modeling;
using Microsoft.ML.Transfusion.Tests.Training;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests;

public sealed class TransfusionTrainerUNetTests
{
    private static readonly TransfusionTrainer.Options Options = TinyTraining.Options with
    {
        Image = TinyTraining.Options.Image with { PatchEncoding = PatchEncoding.UNet, UNetChannels = 4, UNetLayers = 2 },
    };

    [Fact]
    public void Fit_trains_what_a_saved_model_then_does_again_bit_for_bit()
    {
        MLContext ml = new(1);
        IDataView rows = TinyTraining.View(ml, TinyTraining.Rows());
        using TransfusionTransformer trained = ml.Generation.Trainers.Transfusion(Options).Fit(rows);
        using var file = new MemoryStream();
        ml.Model.Save(trained, rows.Schema, file);
        using var loaded = (TransfusionTransformer)ml.Model.Load(file, out _);

        List<GeneratedRow> before = TinyTraining.Read(ml, trained.Transform(rows)), after = TinyTraining.Read(ml, loaded.Transform(rows));

        Assert.Equal(Options.Image, loaded.Model.Config.Image);
        Assert.Equal(before.Select(row => row.GeneratedText), after.Select(row => row.GeneratedText));
        Assert.Equal(before.Select(row => row.GeneratedImage!.Pixels.ToArray()), after.Select(row => row.GeneratedImage!.Pixels.ToArray()));
        Assert.Equal(before.Select(row => row.Score), after.Select(row => row.Score));
        Assert.All(before, row => Assert.All(row.Score!, value => Assert.True(float.IsFinite(value))));
    }

    [Theory]
    [InlineData("PatchSize is 3", 3, 9, 4, 1)]
    [InlineData("UNetChannels is 0", 4, 8, 0, 1)]
    [InlineData("UNetLayers is 0", 4, 8, 4, 0)]
    [InlineData("UNetPlaceSize is 8; it must be 1, 2 or another power of two up to PatchSize (4)", 4, 8, 4, 1, 8)]
    [InlineData("UNetPlaceSize is 3", 4, 8, 4, 1, 3)]
    public void Options_that_no_UNet_can_have_are_refused(string message, int patchSize, int side, int channels, int layers, int placeSize = 1)
    {
        ImageCodecConfig image = Options.Image with { PatchSize = patchSize, ImageHeight = side, ImageWidth = side, UNetChannels = channels, UNetLayers = layers, UNetPlaceSize = placeSize };

        var error = Assert.ThrowsAny<ArgumentException>(() => new MLContext().Generation.Trainers.Transfusion(Options with { Image = image }));

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_prediction_is_zero_and_every_weight_of_the_UNet_learns_after_it()
    {
        using var scope = NewDisposeScope();
        using TransfusionNetwork network = RandomNetwork.Create(TinyNetwork.Config.Transformer, unet: true);
        using var generator = new Generator(1, CPU);
        network.Initialize(generator);
        using DiffusionProcess diffusion = DiffusionProcess.Create(TinyNetwork.Config.Diffusion, CPU);
        using SequenceBatch batch = SequenceBatch.Create([.. TinyNetwork.Documents(4).Select(document => Arrangement.AsIs(document, TinyNetwork.Config.Diffusion))], TinyNetwork.Special, RandomNetwork.PatchCount);
        NoiseDraw draw = NoiseDraw.Random(batch, TinyNetwork.Config.Diffusion, generator);

        Tensor first = TransfusionLoss.Compute(network, diffusion, batch, RandomNetwork.Grid, draw).DiffusionLoss!;
        using (no_grad())
            foreach ((_, Parameter weight) in network.named_parameters().Where(pair => pair.name.StartsWith("unet_up.conv_out", StringComparison.Ordinal)))
                weight.fill_(0.1);
        TransfusionLoss.Compute(network, diffusion, batch, RandomNetwork.Grid, draw).Total(5).backward();

        TensorAssert.Close(draw.Noise.square().mean([1, 2, 3]), first, 1e-5);
        Assert.All(network.named_parameters(), pair => Assert.True(pair.parameter.grad is not null && pair.parameter.grad.abs().sum().ToSingle() > 0, pair.name));
    }
}
