using Microsoft.ML.Transfusion.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Diffusion;

public sealed class DiffusionSamplerTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Generator _generator = new(1, CPU);

    public void Dispose()
    {
        _generator.Dispose();
        _scope.Dispose();
    }

    /// <summary>Every sampler in every setting that changes its steps.</summary>
    public static TheoryData<string, GenerationOptions> Samplers
    {
        get
        {
            var data = new TheoryData<string, GenerationOptions>();
            void Add(string name, GenerationOptions options) => data.Add(name, options with { NumberOfInferenceSteps = 20 });
            Add("DDPM", new() { Sampler = DiffusionSamplerType.Ddpm });
            Add("DDPM, large variance", new() { Sampler = DiffusionSamplerType.Ddpm, Variance = DdpmVariance.FixedLarge });
            Add("DDIM", new() { Sampler = DiffusionSamplerType.Ddim });
            Add("DDIM, half fresh noise", new() { Sampler = DiffusionSamplerType.Ddim, Eta = 0.5 });
            Add("DPM-Solver++", new());
            Add("DPM-Solver++, no fresh noise", new() { DpmSolver = new() { IsStochastic = false } });
            Add("DPM-Solver++, Heun", new() { DpmSolver = new() { Type = DpmSolverType.Heun } });
            Add("DPM-Solver++, order 1", new() { DpmSolver = new() { Order = 1 } });
            Add("DPM-Solver++, order 3, Karras", new() { DpmSolver = new() { Order = 3, IsStochastic = false, UseKarrasSigmas = true } });
            Add("Euler", new() { Sampler = DiffusionSamplerType.Euler });
            Add("Euler, shifted", new() { Sampler = DiffusionSamplerType.Euler, Shift = 3 });
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Samplers), DisableDiscoveryEnumeration = true)]
    public void Step_reaches_the_true_image_when_it_is_always_predicted(string name, GenerationOptions options)
    {
        foreach (TimestepSpacing spacing in Spacings(options))
        {
            using DiffusionProcess process = Process(options);
            using DiffusionSampler sampler = process.CreateSampler(options with { Spacing = spacing });
            Tensor truth = rand([2, 3, 4, 4], generator: _generator) * 2 - 1;

            Tensor sample = Walk(sampler, (noisy, timestep) => process is FlowMatching ? (noisy - truth) / (timestep / 1000) : truth);

            TensorAssert.Close(truth, sample, 1e-4, $"{name}, {spacing}");
        }
    }

    [Theory]
    [MemberData(nameof(Samplers), DisableDiscoveryEnumeration = true)]
    public void Step_draws_normal_images_with_the_exact_denoiser_of_a_normal_distribution(string name, GenerationOptions options)
    {
        const double Mean = 0.3, Spread = 0.2;              // images are N(0.3, 0.2²): what to predict at each noise level is known
        using DiffusionProcess process = Process(options);
        using DiffusionSampler sampler = process.CreateSampler(options with { NumberOfInferenceSteps = 100 }, sampleBound: double.PositiveInfinity);

        Tensor drawn = Walk(sampler, (noisy, timestep) =>
        {
            NoiseLevel level = process is GaussianDiffusion gaussian ? gaussian.Schedule.LevelAt((int)timestep) : new(1 - timestep / 1000, timestep / 1000);
            (double signal, double spread) = level;
            Tensor truth = Mean + Spread * Spread * signal / (Spread * Spread * signal * signal + spread * spread) * (noisy - signal * Mean);
            return process is FlowMatching ? (noisy - truth) / spread : truth;
        }, [1, 1, 100, 100]);

        Assert.True(Math.Abs(drawn.mean().ToDouble() - Mean) < 0.01, $"{name}: mean {drawn.mean().ToDouble()}");
        Assert.True(Math.Abs(drawn.std().ToDouble() - Spread) < (sampler.IsStochastic ? 0.05 : 0.015), $"{name}: spread {drawn.std().ToDouble()}");
    }

    [Fact]
    public void Step_keeps_the_noise_level_of_the_forward_process()
    {
        using var diffusion = new GaussianDiffusion(new DiffusionConfig { Prediction = PredictionType.Sample }, CPU);
        foreach (DiffusionSamplerType type in (DiffusionSamplerType[])[DiffusionSamplerType.Ddpm, DiffusionSamplerType.Ddim])
        {
            using DiffusionSampler sampler = diffusion.CreateSampler(new GenerationOptions { Sampler = type, NumberOfInferenceSteps = 50, Spacing = TimestepSpacing.Leading });
            Tensor truth = zeros(1, 1, 200, 200), noise = randn([1, 1, 200, 200], generator: _generator);
            Tensor noisy = diffusion.AddNoise(truth, noise, tensor(new long[] { 500 }));

            Tensor next = sampler.Step(truth, sampler.Timesteps.ToList().IndexOf(500), noisy, randn([1, 1, 200, 200], generator: _generator));

            Assert.Equal(Math.Sqrt(1 - diffusion.Schedule.AlphasCumprod[480]), next.std().ToDouble(), 0.01);
        }
    }

    [Fact]
    public void Step_leaves_its_arguments_as_they_are()
    {
        foreach (PredictionType prediction in Enum.GetValues<PredictionType>())
            foreach (GenerationOptions options in Samplers.Select(row => (GenerationOptions)((object[])row)[1]).Where(options => options.Sampler != DiffusionSamplerType.Euler || prediction == PredictionType.Velocity))
            {
                using DiffusionProcess process = Process(options, prediction);
                using DiffusionSampler sampler = process.CreateSampler(options);
                for (int step = 0; step < 4; step++)
                {
                    Tensor given = randn([1, 1, 4, 4], generator: _generator) * 3, noisy = randn([1, 1, 4, 4], generator: _generator);
                    Tensor givenBefore = given.clone(), noisyBefore = noisy.clone();

                    sampler.Step(given, step, noisy, randn_like(noisy));

                    TensorAssert.Close(givenBefore, given, 0, $"{prediction} {options}: the prediction");
                    TensorAssert.Close(noisyBefore, noisy, 0, $"{prediction} {options}: the noisy image");
                }
            }
    }

    [Theory]
    [MemberData(nameof(Samplers), DisableDiscoveryEnumeration = true)]
    public void Step_stays_in_the_range_of_images_when_it_clips(string name, GenerationOptions options)
    {
        using DiffusionProcess process = Process(options);
        using DiffusionSampler sampler = process.CreateSampler(options);

        Tensor drawn = Walk(sampler, (noisy, timestep) => process is FlowMatching ? (noisy - 7) / (timestep / 1000) : full_like(noisy, 7));

        TensorAssert.Close(ones_like(drawn), drawn, 1e-4, name);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1001)]
    public void CreateSampler_says_how_many_steps_are_possible(int steps)
    {
        foreach (DiffusionConfig config in (DiffusionConfig[])[new(), DiffusionConfig.Flow])
        {
            using var process = DiffusionProcess.Create(config, CPU);
            var exception = Assert.Throws<ArgumentOutOfRangeException>(() => process.CreateSampler(new GenerationOptions { NumberOfInferenceSteps = steps }));
            Assert.Contains("1…1000", exception.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(999)]
    [InlineData(1000)]
    public void CreateSampler_takes_any_number_of_steps_down_to_a_clean_image(int steps)
    {
        using var diffusion = new GaussianDiffusion(new DiffusionConfig(), CPU);
        foreach (DiffusionSamplerType type in (DiffusionSamplerType[])[DiffusionSamplerType.Ddpm, DiffusionSamplerType.Ddim, DiffusionSamplerType.DpmSolver])
            foreach (TimestepSpacing spacing in Enum.GetValues<TimestepSpacing>())
            {
                using DiffusionSampler sampler = diffusion.CreateSampler(new GenerationOptions { Sampler = type, NumberOfInferenceSteps = steps, Spacing = spacing });

                Assert.Equal(steps, sampler.Timesteps.Count);
                Assert.All(sampler.Timesteps, timestep => Assert.InRange(timestep, 0, 999));
                Assert.Equal(sampler.Timesteps.OrderDescending(), sampler.Timesteps);
            }
    }

    [Fact]
    public void CreateSampler_takes_the_objectives_own_sampler_and_refuses_the_others()
    {
        using DiffusionProcess gaussian = DiffusionProcess.Create(new DiffusionConfig(), CPU), flow = DiffusionProcess.Create(DiffusionConfig.Flow, CPU);
        using DiffusionSampler ofGaussian = gaussian.CreateSampler(new GenerationOptions()), ofFlow = flow.CreateSampler(new GenerationOptions());
        Assert.IsType<DpmSolverSampler>(ofGaussian);
        Assert.IsType<EulerSampler>(ofFlow);

        Assert.Contains("DpmSolver, Ddim or Ddpm", Assert.ThrowsAny<ArgumentException>(() => gaussian.CreateSampler(new GenerationOptions { Sampler = DiffusionSamplerType.Euler })).Message, StringComparison.Ordinal);
        Assert.Contains("Auto or Euler", Assert.ThrowsAny<ArgumentException>(() => flow.CreateSampler(GenerationOptions.Paper)).Message, StringComparison.Ordinal);
        Assert.Contains("Trailing or Linspace", Assert.ThrowsAny<ArgumentException>(() => flow.CreateSampler(new GenerationOptions { Spacing = TimestepSpacing.Leading })).Message, StringComparison.Ordinal);
        Assert.Contains("0…3", Assert.ThrowsAny<ArgumentException>(() => gaussian.CreateSampler(GenerationOptions.Paper with { TimestepOffset = 4 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_solver_walks_from_no_signal_at_all()
    {
        using var diffusion = new GaussianDiffusion(new DiffusionConfig { Prediction = PredictionType.Velocity, ZeroTerminalSnr = true }, CPU);
        using DiffusionSampler sampler = diffusion.CreateSampler(new GenerationOptions());

        Tensor drawn = Walk(sampler, (noisy, _) => noisy * 0.1);

        Assert.InRange(drawn.abs().max().ToDouble(), 0.01, 1);
    }

    [Fact]
    public void Step_says_so_when_noise_is_missing()
    {
        using var diffusion = new GaussianDiffusion(new DiffusionConfig(), CPU);
        foreach (GenerationOptions options in (GenerationOptions[])[new() { Sampler = DiffusionSamplerType.Ddpm }, new() { Sampler = DiffusionSamplerType.Ddim, Eta = 1 }])
        {
            using DiffusionSampler sampler = diffusion.CreateSampler(options);
            Assert.Throws<ArgumentNullException>(() => sampler.Step(zeros(1, 1, 2, 2), 0, zeros(1, 1, 2, 2)));
        }
    }

    private static IEnumerable<TimestepSpacing> Spacings(GenerationOptions options) =>
        Enum.GetValues<TimestepSpacing>().Where(spacing => options.Sampler != DiffusionSamplerType.Euler || spacing != TimestepSpacing.Leading);

    private static DiffusionProcess Process(GenerationOptions options, PredictionType prediction = PredictionType.Sample) =>
        DiffusionProcess.Create(options.Sampler == DiffusionSamplerType.Euler ? DiffusionConfig.Flow : new DiffusionConfig { Prediction = prediction }, CPU);

    /// <summary>From noise to an image with a stand-in for the network: (x_t, t) → prediction.</summary>
    private Tensor Walk(DiffusionSampler sampler, Func<Tensor, double, Tensor> predict, long[]? shape = null)
    {
        Tensor sample = randn(shape ?? [2, 3, 4, 4], generator: _generator);
        for (int step = 0; step < sampler.Timesteps.Count; step++)
            sample = sampler.Step(predict(sample, sampler.Timesteps[step]), step, sample, sampler.IsStochastic ? randn(sample.shape, generator: _generator) : null);
        return sample;
    }
}
