using Microsoft.ML.Transfusion.Diffusion;

namespace Microsoft.ML.Transfusion.Tests.Diffusion;

public sealed class NoiseScheduleTests
{
    [Theory]
    [InlineData(NoiseScheduleType.Cosine)]
    [InlineData(NoiseScheduleType.Linear)]
    [InlineData(NoiseScheduleType.ScaledLinear)]
    public void Signal_falls_from_almost_all_to_almost_none(NoiseScheduleType type)
    {
        var schedule = new NoiseSchedule(new DiffusionConfig { Schedule = type });

        Assert.Equal(1000, schedule.NumberOfTimesteps);
        Assert.Equal(1, schedule.AlphaCumprodAt(-1));
        Assert.Equal(1, schedule.AlphaCumprodAt(-20));
        Assert.InRange(schedule.AlphaCumprodAt(0), 0.999, 1);
        Assert.InRange(schedule.AlphaCumprodAt(999), 0, 0.005);
        Assert.All(schedule.AlphasCumprod.Zip(schedule.AlphasCumprod.Skip(1)), pair => Assert.True(pair.First > pair.Second));
    }

    [Fact]
    public void Noise_and_signal_are_about_equal_at_the_noise_limit_of_the_paper() =>
        Assert.Equal(0.494, new NoiseSchedule(new DiffusionConfig()).AlphaCumprodAt(499), 0.0005);    // after 500 steps

    [Fact]
    public void Linear_schedules_go_from_their_first_to_their_last_beta()
    {
        foreach (NoiseScheduleType type in (NoiseScheduleType[])[NoiseScheduleType.Linear, NoiseScheduleType.ScaledLinear])
        {
            var schedule = new NoiseSchedule(new DiffusionConfig { Schedule = type, BetaStart = 0.001, BetaEnd = 0.05, NumberOfTrainTimesteps = 100 });

            Assert.Equal(0.001, schedule.Betas[0], 1e-12);
            Assert.Equal(0.05, schedule.Betas[^1], 1e-12);
        }
    }

    [Theory]
    [InlineData(NoiseScheduleType.Cosine)]
    [InlineData(NoiseScheduleType.Linear)]
    [InlineData(NoiseScheduleType.ScaledLinear)]
    public void Zero_terminal_signal_keeps_the_first_timestep_and_empties_the_last(NoiseScheduleType type)
    {
        var config = new DiffusionConfig { Schedule = type };
        var schedule = new NoiseSchedule(config with { ZeroTerminalSnr = true });

        Assert.Equal(new NoiseSchedule(config).AlphasCumprod[0], schedule.AlphasCumprod[0], 1e-12);
        Assert.Equal(0, schedule.AlphasCumprod[^1]);
        Assert.All(schedule.AlphasCumprod.Zip(schedule.AlphasCumprod.Skip(1)), pair => Assert.True(pair.First > pair.Second));
    }
}
