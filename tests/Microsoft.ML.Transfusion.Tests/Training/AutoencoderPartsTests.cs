// The parts that only autoencoders are trained with.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Training;

public class AutoencoderPartsTests
{
    [Fact]
    public void Codes_that_nothing_chose_move_to_latents_at_the_end_of_a_period_and_not_after_the_last()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        Tensor codebook = tensor(new float[] { 0, 0, 100, 100, 200, 200 }, 3, 2), latents = arange(8, ScalarType.Float32).view(1, 2, 2, 2), chosen = tensor(new long[] { 0, 0, 0, 0 });
        using var revival = new CodebookRevival(codebook, generator);
        Tensor before = codebook.clone();
        for (int step = 1; step < 50; step++)
            revival.Observe(latents, chosen, revives: true);
        TensorAssert.Close(before, codebook, 0);

        revival.Observe(latents, chosen, revives: true);

        Assert.Equal(1 / 3.0, revival.Usage, 1e-6);
        float[][] vectors = [[0, 4], [1, 5], [2, 6], [3, 7]];                        // the latents' places
        Assert.Equal([0f, 0f], codebook[0].data<float>().ToArray());
        Assert.Contains(codebook[1].data<float>().ToArray(), vectors);
        Assert.Contains(codebook[2].data<float>().ToArray(), vectors);

        before = codebook.clone();
        for (int step = 0; step < 50; step++)
            revival.Observe(latents, chosen, revives: false);
        TensorAssert.Close(before, codebook, 0);
    }

    [Fact]
    public void A_discriminator_loses_nothing_where_both_sides_are_beyond_one()
    {
        using var scope = NewDisposeScope();
        Assert.Equal(0, PatchDiscriminator.Loss(tensor(1.5f), tensor(-2f)).ToDouble());
        Assert.Equal(1, PatchDiscriminator.Loss(tensor(0f), tensor(0f)).ToDouble(), 1e-6);
        Assert.Equal(0.5 * (1.5 + 3), PatchDiscriminator.Loss(tensor(-0.5f), tensor(2f)).ToDouble(), 1e-6);
        using var generator = new Generator(1, CPU);
        using var discriminator = new PatchDiscriminator(8, generator);
        Assert.Equal([2, 1, 7, 3], discriminator.forward(zeros(2, 3, 32, 16)).shape);
    }

    [Fact]
    public void A_network_learns_by_how_many_quarters_pictures_were_turned()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        Tensor picture = cat([ones(3, 4, 8), -ones(3, 4, 8)], 1);                    // bright above, dark below
        IEnumerable<Tensor> Batches()
        {
            while (true)
                yield return stack([.. Enumerable.Repeat(picture, 8)]) + randn([8, 3, 8, 8], generator: generator) * 0.1;
        }

        (PerceptualNetwork network, double accuracy) = RotationTask.Train(Batches(), new OptimizerConfig { LearningRate = 3e-3, WarmupSteps = 1, WeightDecay = 0 }, CPU, generator, step => step < 60);

        using (network)
        {
            Assert.InRange(accuracy, 0.8, 1);
            Assert.All(network.named_parameters(), pair => Assert.False(pair.parameter.requires_grad));
            Assert.Equal(3, network.Features(picture.unsqueeze(0)).Count);
        }
    }
}
