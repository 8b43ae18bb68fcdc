namespace Microsoft.ML.Transfusion.Tests;

public sealed class TransformerConfigTests
{
    [Fact]
    public void ForBudget_gives_larger_models_to_larger_budgets_and_their_heads_fit()
    {
        TransformerConfig[] configs = [.. Enumerable.Range(0, 24).Select(step => TransformerConfig.ForBudget(1e9 * Math.Pow(10, step / 2.0)))];

        Assert.All(configs.Zip(configs.Skip(1)), pair => Assert.True(pair.First.HiddenSize <= pair.Second.HiddenSize));
        Assert.All(configs, config => Assert.Equal(32, config.HeadSize));
        Assert.Equal((32, 1), (configs[0].HiddenSize, configs[0].NumberOfLayers));
        Assert.True(configs[^1].HiddenSize > 1024);
        Assert.NotNull(new MLContext().Generation.Trainers.Transfusion(new TransfusionTrainer.Options { Transformer = TransformerConfig.ForBudget(5.7e12) }));     // which checks it
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void ForBudget_refuses_what_is_no_budget(double flops) => Assert.Throws<ArgumentOutOfRangeException>(() => TransformerConfig.ForBudget(flops));
}
