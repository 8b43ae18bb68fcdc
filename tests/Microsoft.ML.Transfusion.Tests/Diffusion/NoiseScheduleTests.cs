using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Tests.Golden;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Diffusion;

public sealed class NoiseScheduleTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [SkippableTheory]
    [InlineData(NoiseScheduleType.Cosine, "squaredcos_cap_v2")]
    [InlineData(NoiseScheduleType.Linear, "linear")]
    [InlineData(NoiseScheduleType.ScaledLinear, "scaled_linear")]
    public void Betas_and_their_products_are_those_of_diffusers(NoiseScheduleType type, string name)
    {
        Dictionary<string, Tensor> golden = GoldenFile.Read("schedules");
        var schedule = new NoiseSchedule(type, 1000);

        TensorAssert.Close(golden[name + ".betas"], tensor(schedule.Betas), 1e-6);
        TensorAssert.Close(golden[name + ".alphas_cumprod"], tensor(schedule.AlphasCumprod), 1e-5);
    }

    [SkippableFact]
    public void Cosine_is_that_of_the_first_implementation_in_64_bit()
    {
        Dictionary<string, Tensor> golden = GoldenFile.Read("guided_diffusion");
        var schedule = new NoiseSchedule(NoiseScheduleType.Cosine, 1000);

        TensorAssert.Close(golden["cosine.betas"], tensor(schedule.Betas), 1e-12);
        TensorAssert.Close(golden["cosine.alphas_cumprod"], tensor(schedule.AlphasCumprod), 1e-12);
    }

    [Theory]
    [InlineData(NoiseScheduleType.Cosine)]
    [InlineData(NoiseScheduleType.Linear)]
    [InlineData(NoiseScheduleType.ScaledLinear)]
    public void Signal_falls_from_almost_all_to_almost_none(NoiseScheduleType type)
    {
        var schedule = new NoiseSchedule(type, 1000);

        Assert.Equal(1000, schedule.NumberOfTimesteps);
        Assert.Equal(1, schedule.AlphaCumprodAt(-1));
        Assert.Equal(1, schedule.AlphaCumprodAt(-20));
        Assert.InRange(schedule.AlphaCumprodAt(0), 0.999, 1);
        Assert.InRange(schedule.AlphaCumprodAt(999), 0, 0.005);
        Assert.All(schedule.AlphasCumprod.Zip(schedule.AlphasCumprod.Skip(1)), pair => Assert.True(pair.First > pair.Second));
    }

    [Fact]
    public void Noise_and_signal_are_about_equal_at_the_noise_limit_of_the_paper() =>
        Assert.Equal(0.494, new NoiseSchedule(NoiseScheduleType.Cosine, 1000).AlphaCumprodAt(499), 0.0005);    // after 500 steps
}
