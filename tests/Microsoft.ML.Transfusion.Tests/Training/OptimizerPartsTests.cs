// The schedule, the clipping and the average: short formulas, checked against themselves written out.
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Training;

public sealed class OptimizerPartsTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void LearningRate_rises_in_a_line_and_falls_along_a_cosine()
    {
        var config = new OptimizerConfig { LearningRate = 2e-3, FinalLearningRateRatio = 0.05, WarmupSteps = 100 };

        Assert.Equal(2e-5, WarmupCosineSchedule.LearningRate(config, 1, 0), 12);
        Assert.Equal(1e-3, WarmupCosineSchedule.LearningRate(config, 50, 0), 12);
        Assert.Equal(2e-3, WarmupCosineSchedule.LearningRate(config, 100, 0), 12);
        Assert.Equal(2e-3 * (0.05 + 0.95 / 2), WarmupCosineSchedule.LearningRate(config, 500, 0.5), 12);
        Assert.Equal(1e-4, WarmupCosineSchedule.LearningRate(config, 1000, 1), 12);
        Assert.Equal(1e-4, WarmupCosineSchedule.LearningRate(config, 1000, 1.7), 12);
        Assert.Equal(2e-3, WarmupCosineSchedule.LearningRate(config with { WarmupSteps = 0 }, 1, 0), 12);
    }

    [Theory]
    [InlineData(10, 1)]
    [InlineData(0.5, 0.5)]
    [InlineData(0, 0)]
    public void Clip_bounds_the_norm_and_keeps_the_direction(double norm, double expected)
    {
        using var generator = new Generator(1, CPU);
        Tensor direction = randn([100], generator: generator);
        direction /= direction.norm();
        Tensor gradient = direction * norm;

        GradientClipping.Clip(gradient, 1);

        TensorAssert.Close(direction * expected, gradient, 1e-5);
    }

    [Fact]
    public void Average_follows_the_weights_with_a_decay_that_grows_to_its_bound()
    {
        Tensor weights = tensor(new[] { 1f, -2 });
        using var average = new ExponentialMovingAverage(weights, 0.5);
        double expected = 1;
        for (int update = 1; update <= 20; update++)
        {
            weights.add_(1);
            average.Update();
            double decay = Math.Min(0.5, (1.0 + update) / (10 + update));
            expected += (1 - decay) * (1 + update - expected);
            Assert.Equal(expected, average.Average[0].ToDouble(), 1e-4);
        }
        TensorAssert.Close(tensor(new[] { 21f, 18 }), weights, 0);
    }
}
