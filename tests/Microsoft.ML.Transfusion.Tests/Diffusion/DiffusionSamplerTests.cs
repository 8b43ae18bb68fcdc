using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Tests.Golden;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Diffusion;

public sealed class DiffusionSamplerTests : IDisposable
{
    private const double Tolerance = 1e-5;

    // Where ᾱ is almost 1, diffusers' 32-bit 1 − ᾱ has lost digits that our 64-bit one has: the same recorded steps worked out in 32-bit
    // arithmetic agree to the last bit. The 64-bit record below holds these steps to 1e-10; diffusers' other variance is 1e-3 away.
    private const double LastStepsTolerance = 2e-4;
    private const int LastTimesteps = 60;
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Generator _generator = new(1, CPU);
    private readonly List<GaussianDiffusion> _diffusions = [];

    public void Dispose()
    {
        _diffusions.ForEach(diffusion => diffusion.Dispose());
        _generator.Dispose();
        _scope.Dispose();
    }

    public static TheoryData<PredictionType, string> Predictions => new()
    {
        { PredictionType.Epsilon, "epsilon" },
        { PredictionType.Velocity, "v_prediction" },
        { PredictionType.Sample, "sample" },
    };

    [SkippableTheory]
    [InlineData(TimestepSpacing.Leading, "leading")]
    [InlineData(TimestepSpacing.Trailing, "trailing")]
    [InlineData(TimestepSpacing.Linspace, "linspace")]
    public void Timesteps_are_those_of_diffusers(TimestepSpacing spacing, string name)
    {
        Dictionary<string, Tensor> golden = GoldenFile.Read("timesteps");
        foreach (int steps in (int[])[1000, 250, 50, 20, 10])
            foreach ((DiffusionSamplerType type, string sampler) in ((DiffusionSamplerType, string)[])[(DiffusionSamplerType.Ddpm, "ddpm"), (DiffusionSamplerType.Ddim, "ddim")])
            {
                long[] expected = golden[$"{sampler}.{name}.{steps}.offset0"].data<long>().ToArray();
                Assert.Equal(expected, Sampler(type, PredictionType.Epsilon, steps, spacing).Timesteps.Select(timestep => (long)timestep));
            }
    }

    [SkippableTheory]
    [MemberData(nameof(Predictions))]
    public void Every_DDPM_step_is_that_of_diffusers(PredictionType prediction, string name)
    {
        foreach (int steps in (int[])[250, 1000])
        {
            Dictionary<string, Tensor> golden = GoldenFile.Read($"ddpm_{steps}");
            DiffusionSampler sampler = Sampler(DiffusionSamplerType.Ddpm, prediction, steps, TimestepSpacing.Leading);
            string run = name + ".fixed_small";
            FollowSteps(sampler, golden[run + ".model_output"], golden["init"], golden["noise"], golden[run + ".prev_sample"]);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Predictions))]
    public void Every_clipped_DDPM_step_is_that_of_diffusers(PredictionType prediction, string name)
    {
        Dictionary<string, Tensor> golden = GoldenFile.Read("ddpm_50_clip");
        DiffusionSampler sampler = Sampler(DiffusionSamplerType.Ddpm, prediction, 50, TimestepSpacing.Leading, clip: true);
        FollowSteps(sampler, golden["model_output"], golden["init"], golden["noise"], golden[name + ".fixed_small.prev_sample"]);
    }

    [SkippableTheory]
    [InlineData(TimestepSpacing.Trailing, "trailing")]
    [InlineData(TimestepSpacing.Linspace, "linspace")]
    public void Every_clipped_DDPM_step_of_other_spacings_is_that_of_diffusers(TimestepSpacing spacing, string name)
    {
        Dictionary<string, Tensor> golden = GoldenFile.Read("ddpm_50_clip");
        DiffusionSampler sampler = Sampler(DiffusionSamplerType.Ddpm, PredictionType.Epsilon, 50, spacing, clip: true);
        Assert.Equal(golden[name + ".timesteps"].data<long>().ToArray(), sampler.Timesteps.Select(timestep => (long)timestep));
        FollowSteps(sampler, golden["model_output"], golden["init"], golden["noise"], golden[name + ".epsilon.fixed_small.prev_sample"]);
    }

    [SkippableTheory]
    [MemberData(nameof(Predictions))]
    public void Every_DDIM_step_is_that_of_diffusers(PredictionType prediction, string name)
    {
        Dictionary<string, Tensor> golden = GoldenFile.Read("ddim_50");
        foreach ((TimestepSpacing spacing, string spacingName) in
            ((TimestepSpacing, string)[])[(TimestepSpacing.Leading, "leading"), (TimestepSpacing.Trailing, "trailing"), (TimestepSpacing.Linspace, "linspace")])
        {
            DiffusionSampler sampler = Sampler(DiffusionSamplerType.Ddim, prediction, 50, spacing);
            string run = $"{name}.eta0.{spacingName}";
            FollowSteps(sampler, golden[run + ".model_output"], golden["init"], noise: null, golden[run + ".prev_sample"]);
        }
    }

    [SkippableTheory]
    [InlineData(NoiseScheduleType.Cosine, "cosine")]
    [InlineData(NoiseScheduleType.Linear, "linear")]
    public void A_DDPM_step_has_the_weights_and_the_variance_of_the_first_implementation_in_64_bit(NoiseScheduleType schedule, string name)
    {
        Dictionary<string, Tensor> golden = GoldenFile.Read("guided_diffusion");
        using var diffusion = new GaussianDiffusion(new DiffusionConfig { Schedule = schedule, Prediction = PredictionType.Sample }, CPU);
        var sampler = new DdpmSampler(diffusion, 1000, TimestepSpacing.Leading, clipSample: false);
        Tensor one = ones(1, ScalarType.Float64), zero = zeros(1, ScalarType.Float64);
        foreach (int timestep in (int[])[0, 1, 10, 300, 700, 990, 999])
        {
            Assert.Equal(golden[name + ".posterior_mean_coef1"][timestep].ToDouble(), sampler.Step(one, timestep, zero, zero).ToDouble(), 1e-10);
            Assert.Equal(golden[name + ".posterior_mean_coef2"][timestep].ToDouble(), sampler.Step(zero, timestep, one, zero).ToDouble(), 1e-10);
            Assert.Equal(Math.Sqrt(golden[name + ".posterior_variance"][timestep].ToDouble()), sampler.Step(zero, timestep, zero, one).ToDouble(), 1e-10);
        }
    }

    [Theory]
    [InlineData(DiffusionSamplerType.Ddpm)]
    [InlineData(DiffusionSamplerType.Ddim)]
    public void Step_reaches_the_true_image_when_it_is_always_predicted(DiffusionSamplerType type)
    {
        foreach (TimestepSpacing spacing in Enum.GetValues<TimestepSpacing>())
        {
            DiffusionSampler sampler = Sampler(type, PredictionType.Sample, 20, spacing, clip: true);
            Tensor truth = rand([2, 3, 4, 4], generator: _generator) * 2 - 1;
            Tensor sample = randn([2, 3, 4, 4], generator: _generator);
            foreach (int timestep in sampler.Timesteps)
                sample = sampler.Step(truth, timestep, sample, sampler.IsStochastic ? randn_like(sample) : null);

            TensorAssert.Close(truth, sample, 1e-5, spacing.ToString());
        }
    }

    [Fact]
    public void Step_keeps_the_noise_level_of_the_forward_process()
    {
        var config = new DiffusionConfig { Prediction = PredictionType.Sample };
        using var diffusion = new GaussianDiffusion(config, CPU);
        foreach (DiffusionSamplerType type in Enum.GetValues<DiffusionSamplerType>())
        {
            DiffusionSampler sampler = Sampler(type, PredictionType.Sample, 50, TimestepSpacing.Leading);
            Tensor truth = zeros(1, 1, 200, 200), noise = randn([1, 1, 200, 200], generator: _generator);
            Tensor noisy = diffusion.AddNoise(truth, noise, tensor(new long[] { 500 }));

            Tensor next = sampler.Step(truth, 500, noisy, randn([1, 1, 200, 200], generator: _generator));

            Assert.Equal(Math.Sqrt(1 - diffusion.Schedule.AlphasCumprod[480]), next.std().ToDouble(), 0.01);
        }
    }

    [Fact]
    public void Step_leaves_its_arguments_as_they_are()
    {
        foreach (PredictionType prediction in Enum.GetValues<PredictionType>())
            foreach (DiffusionSamplerType type in Enum.GetValues<DiffusionSamplerType>())
            {
                Tensor given = randn([1, 1, 4, 4], generator: _generator) * 3, noisy = randn([1, 1, 4, 4], generator: _generator);
                Tensor givenBefore = given.clone(), noisyBefore = noisy.clone();

                Sampler(type, prediction, 20, TimestepSpacing.Leading, clip: true).Step(given, 500, noisy, randn_like(noisy));

                TensorAssert.Close(givenBefore, given, 0, $"{prediction} {type}: the prediction");
                TensorAssert.Close(noisyBefore, noisy, 0, $"{prediction} {type}: the noisy image");
            }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1001)]
    public void Create_says_how_many_steps_are_possible(int steps)
    {
        var exception = Assert.Throws<ArgumentOutOfRangeException>(() => Sampler(DiffusionSamplerType.Ddim, PredictionType.Epsilon, steps, TimestepSpacing.Leading));
        Assert.Contains("1 to 1000", exception.Message);
    }

    [Fact]
    public void Step_says_so_when_DDPM_lacks_its_noise() => Assert.Throws<ArgumentNullException>(() =>
        Sampler(DiffusionSamplerType.Ddpm, PredictionType.Epsilon, 20, TimestepSpacing.Leading).Step(zeros(1, 1, 2, 2), 500, zeros(1, 1, 2, 2), null));

    [Fact]
    public void Combine_is_the_conditional_prediction_at_1_and_the_unconditional_at_0()
    {
        Tensor conditional = randn([2, 3, 4, 4], generator: _generator), unconditional = randn([2, 3, 4, 4], generator: _generator);

        TensorAssert.Close(conditional, ClassifierFreeGuidance.Combine(conditional, unconditional, 1), 1e-6);
        TensorAssert.Close(unconditional, ClassifierFreeGuidance.Combine(conditional, unconditional, 0), 1e-6);
    }

    [SkippableFact]
    public void Combine_is_that_of_diffusers()
    {
        Dictionary<string, Tensor> golden = GoldenFile.Read("cfg");
        TensorAssert.Close(golden["cfg_scale5"], ClassifierFreeGuidance.Combine(golden["cond"], golden["uncond"], 5), Tolerance);
    }

    private DiffusionSampler Sampler(DiffusionSamplerType type, PredictionType prediction, int steps, TimestepSpacing spacing, bool clip = false)
    {
        var diffusion = new GaussianDiffusion(new DiffusionConfig { Prediction = prediction }, CPU);
        _diffusions.Add(diffusion);
        var options = new GenerationOptions { Sampler = type, NumberOfInferenceSteps = steps, Spacing = spacing };
        return DiffusionSampler.Create(diffusion, options, clip);
    }

    /// <summary>Each step starts from the recorded result of the one before, so that errors do not add up.</summary>
    private static void FollowSteps(DiffusionSampler sampler, Tensor predictions, Tensor initial, Tensor? noise, Tensor expected)
    {
        for (int step = 0; step < sampler.Timesteps.Count; step++)
        {
            using var scope = NewDisposeScope();
            Tensor before = step == 0 ? initial : expected[step - 1];
            Tensor after = sampler.Step(predictions[step], sampler.Timesteps[step], before, noise?[step]);
            TensorAssert.Close(expected[step], after, sampler.IsStochastic && sampler.Timesteps[step] < LastTimesteps ? LastStepsTolerance : Tolerance, $"step {step}");
        }
    }
}
