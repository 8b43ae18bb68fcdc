// The measure by which an experiment compares runs: one picture's error must not depend on what the network predicts of it.
using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Evaluation;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Evaluation;

public class ValidationScorerTests
{
    public static TheoryData<DiffusionConfig> Processes =>
    [
        new DiffusionConfig(),
        new DiffusionConfig { Prediction = PredictionType.Velocity, DiffusionLossWeight = 3 },
        DiffusionConfig.Minutes,
        new DiffusionConfig { Prediction = PredictionType.Sample, Schedule = NoiseScheduleType.Linear },
        DiffusionConfig.Flow,
    ];

    [Theory]
    [MemberData(nameof(Processes), DisableDiscoveryEnumeration = true)]
    public void The_error_of_the_clean_picture_is_what_a_prediction_implies(DiffusionConfig config)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3, CPU);
        using DiffusionProcess process = ValidationScorer.InCleanPictures(config, CPU);
        Tensor clean = rand([2, 3, 4, 4], generator: generator) * 2 - 1, wrong = clean + 0.1 * randn(clean.shape, generator: generator), noise = randn(clean.shape, generator: generator);
        double expected = (wrong - clean).square().mean().ToDouble();
        foreach (double spread in ValidationScorer.Spreads)
        {
            (int at, double weight) = ValidationScorer.TimestepOf(spread, process, config);
            Tensor timesteps = full(2, at, ScalarType.Int64), noisy = process.AddNoise(clean, noise, timesteps);
            // A network that takes the picture for another one: it answers the noise which that one would have to have been mixed with.
            Tensor zeros = torch.zeros_like(clean), share = process.AddNoise(ones_like(clean), zeros, timesteps), impliedNoise = (noisy - share * wrong) / process.AddNoise(zeros, ones_like(clean), timesteps);

            double error = weight * process.Loss(process.Target(wrong, impliedNoise, timesteps), process.Target(clean, noise, timesteps), timesteps).mean().ToDouble();

            Assert.Equal(expected, error, 0.01 * expected);
            double signal = share.mean().ToDouble(), spreadThere = process.AddNoise(zeros, ones_like(clean), timesteps).mean().ToDouble();
            Assert.Equal(spread / Math.Sqrt(1 - spread * spread), spreadThere / signal, 0.02 * spreadThere / signal);
        }
    }

    [Fact]
    public void A_model_has_the_metrics_of_what_its_documents_hold()
    {
        TransfusionModel model = TinyTraining.Transformer.Model;
        using var scope = NewDisposeScope();
        var text = new TextPart(model.Tokenizer.Encode("no 1"));
        var image = new ImagePart(zeros(3, 8, 8));

        TransfusionValidationMetrics both = model.Validate([new Document([text, image]), new Document([text, image])], batchSize: 1);

        Assert.Equal(Math.Sqrt(both.LanguageLoss!.Value * both.PictureError!.Value), both.Score);
        Assert.Equal(both.Score, model.Validate([new Document([image, text]), new Document([text, image])], batchSize: 2).Score, 1e-6 * both.Score);
        TransfusionValidationMetrics texts = model.Validate([new Document([text])], 4), images = model.Validate([new Document([image])], 4);
        Assert.Null(texts.PictureError);
        Assert.Equal(texts.LanguageLoss, texts.Score);
        Assert.Null(images.LanguageLoss);
        Assert.Equal(images.PictureError, images.Score);
    }
}
