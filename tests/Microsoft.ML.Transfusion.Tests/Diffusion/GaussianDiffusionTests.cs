using Microsoft.ML.Transfusion.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Diffusion;

public sealed class GaussianDiffusionTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Generator _generator = new(1, CPU);

    public void Dispose()
    {
        _generator.Dispose();
        _scope.Dispose();
    }

    public static TheoryData<PredictionType> Predictions => [.. Enum.GetValues<PredictionType>()];

    [Fact]
    public void AddNoise_is_nearly_the_image_at_first_and_nearly_the_noise_at_last()
    {
        using var diffusion = new GaussianDiffusion(new DiffusionConfig(), CPU);
        (Tensor sample, Tensor noise) = Draw(2);

        Tensor noisy = diffusion.AddNoise(sample, noise, tensor(new long[] { 0, 999 }));

        TensorAssert.Close(sample[0], noisy[0], 0.05);
        TensorAssert.Close(noise[1], noisy[1], 0.001);
    }

    [Theory]
    [MemberData(nameof(Predictions))]
    public void Interpret_finds_image_and_noise_again_from_the_target(PredictionType prediction)
    {
        using var diffusion = new GaussianDiffusion(new DiffusionConfig { Prediction = prediction }, CPU);
        (Tensor sample, Tensor noise) = Draw(1);
        foreach (int timestep in (int[])[20, 250, 500, 800, 950])
        {
            Tensor timesteps = tensor(new[] { (long)timestep });
            Tensor noisy = diffusion.AddNoise(sample, noise, timesteps);

            (Tensor impliedSample, Tensor impliedNoise) = diffusion.Interpret(diffusion.Target(sample, noise, timesteps), noisy, diffusion.Schedule.LevelAt((int)timestep));

            TensorAssert.Close(sample, impliedSample, 1e-4, $"image at {timestep}");
            TensorAssert.Close(noise, impliedNoise, 1e-4, $"noise at {timestep}");
        }
    }

    [Theory]
    [MemberData(nameof(Predictions))]
    public void Interpret_clips_the_image_and_leaves_the_rest_of_the_noisy_image_to_the_noise(PredictionType prediction)
    {
        using var diffusion = new GaussianDiffusion(new DiffusionConfig { Prediction = prediction }, CPU);
        (Tensor guess, Tensor noisy) = (randn([2, 3, 4, 4], generator: _generator) * 3, randn([2, 3, 4, 4], generator: _generator) * 3);
        NoiseLevel level = diffusion.Schedule.LevelAt(600);

        (Tensor sample, Tensor noise) = diffusion.Interpret(guess, noisy, level, sampleBound: 0.5);

        TensorAssert.Close(diffusion.Interpret(guess, noisy, level).Sample.clamp(-0.5, 0.5), sample, 0);
        TensorAssert.Close(noisy, level.Signal * sample + level.Spread * noise, 1e-5);
    }

    [Theory]
    [MemberData(nameof(Predictions))]
    public void Loss_is_the_mean_squared_error_of_each_image_in_what_is_predicted(PredictionType prediction)
    {
        using var diffusion = new GaussianDiffusion(new DiffusionConfig { Prediction = prediction }, CPU);
        (Tensor guess, Tensor target) = Draw(4);

        Tensor loss = diffusion.Loss(guess, target, tensor(new long[] { 0, 300, 700, 999 }));

        TensorAssert.Close((guess - target).square().mean([1, 2, 3]), loss, 1e-5);
    }

    [Theory]
    [InlineData(PredictionType.Sample, PredictionType.Velocity)]
    [InlineData(PredictionType.Sample, PredictionType.Epsilon)]
    [InlineData(PredictionType.Velocity, PredictionType.Epsilon)]
    [InlineData(PredictionType.Velocity, PredictionType.Sample)]
    [InlineData(PredictionType.Epsilon, PredictionType.Velocity)]
    public void Loss_in_another_quantity_is_the_error_of_what_the_prediction_implies_of_it(PredictionType prediction, PredictionType lossTarget)
    {
        using var diffusion = new GaussianDiffusion(new DiffusionConfig { Prediction = prediction, LossTarget = lossTarget }, CPU);
        using var other = new GaussianDiffusion(new DiffusionConfig { Prediction = lossTarget }, CPU);
        (Tensor sample, Tensor noise) = Draw(1);
        Tensor error = Draw(1).Noise * 0.3;
        foreach (int timestep in (int[])[120, 400, 600, 880])           // where both √ᾱ and √(1 − ᾱ) are above the weight's floor of 0.15
        {
            Tensor timesteps = tensor(new[] { (long)timestep });
            Tensor noisy = diffusion.AddNoise(sample, noise, timesteps), target = diffusion.Target(sample, noise, timesteps);
            (Tensor impliedSample, Tensor impliedNoise) = diffusion.Interpret(target + error, noisy, diffusion.Schedule.LevelAt((int)timestep));

            Tensor implied = other.Target(impliedSample, impliedNoise, timesteps);

            Tensor expected = (implied - other.Target(sample, noise, timesteps)).square().mean();
            Assert.Equal(1, (diffusion.Loss(target + error, target, timesteps) / expected).ToDouble(), 1e-3);
        }
    }

    [Fact]
    public void Loss_in_another_quantity_stays_bounded_at_the_ends()
    {
        using var diffusion = new GaussianDiffusion(new DiffusionConfig { Prediction = PredictionType.Sample, LossTarget = PredictionType.Epsilon }, CPU);
        Tensor target = zeros(2, 3, 4, 4), guess = ones(2, 3, 4, 4);

        float[] loss = diffusion.Loss(guess, target, tensor(new long[] { 0, 999 })).data<float>().ToArray();

        Assert.InRange(loss[0], 1, 1 / (0.15 * 0.15) + 1e-3);
        Assert.InRange(loss[1], 0.15 * 0.15 - 1e-3, 1);
    }

    private (Tensor Sample, Tensor Noise) Draw(int count) =>
        (rand([count, 3, 4, 4], generator: _generator) * 2 - 1, randn([count, 3, 4, 4], generator: _generator));
}
