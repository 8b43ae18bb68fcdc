// OpenAI's guided-diffusion: its 64-bit tables, the mean and variance of a reverse step, the loss, and sampling over a subset of timesteps.
using Microsoft.ML.Transfusion.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public sealed class GuidedDiffusionGoldenTests : IDisposable
{
    private const double TableTolerance = 1e-10;
    private const double Tolerance = 1e-5;
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [SkippableFact]
    public void Tables_are_those_of_the_original_in_64_bit()
    {
        GoldenFile golden = GoldenFile.Open("guided_diffusion");
        string[] names = [.. golden.Tensors.Keys.Where(key => key.EndsWith(".betas", StringComparison.Ordinal)).Select(key => key[..^".betas".Length])];
        foreach (string name in names)
        {
            var schedule = new NoiseSchedule(Config(golden, name));
            golden.Check("betas", golden[name + ".betas"], tensor(schedule.Betas), 1e-12, name);
            golden.Check("alphas_cumprod", golden[name + ".alphas_cumprod"], tensor(schedule.AlphasCumprod), 1e-12, name);
            NoiseLevel[] levels = [.. Enumerable.Range(0, schedule.NumberOfTimesteps).Select(schedule.LevelAt)];
            golden.Check("signal", golden[name + ".sqrt_recip_alphas_cumprod"].reciprocal(), tensor(levels.Select(level => level.Signal).ToArray()), TableTolerance, name);
            golden.Check("spread", golden[name + ".sqrt_recipm1_alphas_cumprod"] / golden[name + ".sqrt_recip_alphas_cumprod"],
                tensor(levels.Select(level => level.Spread).ToArray()), TableTolerance, name);
            Posterior[] posteriors = [.. Enumerable.Range(0, schedule.NumberOfTimesteps).Select(t => Step(schedule, t))];
            golden.Check("posterior_mean_coef1", golden[name + ".posterior_mean_coef1"], tensor(posteriors.Select(posterior => posterior.SampleWeight).ToArray()), TableTolerance, name);
            golden.Check("posterior_mean_coef2", golden[name + ".posterior_mean_coef2"], tensor(posteriors.Select(posterior => posterior.NoisyWeight).ToArray()), TableTolerance, name);
            golden.Check("posterior_variance", golden[name + ".posterior_variance"], tensor(posteriors.Select(posterior => posterior.Variance).ToArray()), TableTolerance, name);
            posteriors[0] = posteriors[1];                  // the original's stand-in for the logarithm of 0
            golden.Check("posterior_log_variance", golden[name + ".posterior_log_variance_clipped"], tensor(posteriors.Select(posterior => Math.Log(posterior.Variance)).ToArray()), TableTolerance, name);
        }
        Assert.NotEmpty(names);
    }

    [SkippableFact]
    public void A_reverse_step_has_the_mean_and_the_variance_of_the_original()
    {
        GoldenFile golden = GoldenFile.Open("guided_diffusion");
        using var diffusion = new GaussianDiffusion(Config(golden, "cosine"), CPU);
        long[] timesteps = [.. golden["timesteps"].Longs()];
        golden.Check("q_sample", diffusion.AddNoise(golden["x0"], golden["noise"], golden["timesteps"]), Tolerance);
        foreach ((string name, DdpmVariance variance) in ((string, DdpmVariance)[])[("fixed_small", DdpmVariance.FixedSmall), ("fixed_large", DdpmVariance.FixedLarge)])
        {
            for (int i = 0; i < timesteps.Length; i++)
            {
                int t = (int)timesteps[i];
                Tensor output = golden["model_output"][i], noisy = golden["q_sample"][i], none = zeros_like(noisy);
                var level = diffusion.Schedule.LevelAt(t);
                Tensor Mean(double bound) => new DdpmSampler(diffusion, [new ReverseStep(t, t - 1)], variance, bound).Step(output, 0, noisy, none);
                Posterior posterior = Step(diffusion.Schedule, t == 0 ? 1 : t);         // as the original does for the first timestep, where no noise is added
                double ours = variance == DdpmVariance.FixedSmall ? posterior.Variance : t == 0 ? posterior.Variance : posterior.Beta;

                Tensor mean = golden[name + ".mean"][i], scale = mean.abs().max().clamp_min(1);      // where almost all is noise, predicted images are thousands
                golden.Check("mean, as a share of its largest value", mean / scale, Mean(double.PositiveInfinity) / scale, Tolerance, $"{name}, timestep {t}");
                golden.Check("clipped mean", golden[name + ".clipped.mean"][i], Mean(1), Tolerance, $"{name}, timestep {t}");
                golden.Check("pred_xstart, times the signal", golden[name + ".pred_xstart"][i] * level.Signal, diffusion.Interpret(output, noisy, level).Sample * level.Signal, Tolerance, $"{name}, timestep {t}");
                golden.Check("log_variance", golden[name + ".log_variance"][i], full_like(noisy, Math.Log(ours)), Tolerance, $"{name}, timestep {t}");
                if (t > 0)
                    golden.Check("variance", golden[name + ".variance"][i], full_like(noisy, ours), Tolerance, $"{name}, timestep {t}");
            }
            golden.Check("mse", golden[name + ".mse"], diffusion.Loss(golden["model_output"], diffusion.Target(golden["x0"], golden["noise"], golden["timesteps"]), golden["timesteps"]), Tolerance);
        }
    }

    [SkippableFact]
    public void Subsets_of_timesteps_are_those_of_the_original()
    {
        GoldenFile golden = GoldenFile.Open("guided_diffusion");
        int total = (int)golden["cosine.betas"].shape[0];
        string[] keys = [.. golden.Tensors.Keys.Where(key => key.StartsWith("space.", StringComparison.Ordinal))];
        foreach (string key in keys)
            golden.CheckEqual("space_timesteps", golden[key].Longs(), Space(total, key["space.".Length..]).Select(timestep => (long)timestep).Order());
        Assert.NotEmpty(keys);
    }

    [SkippableFact]
    public void Every_step_over_a_subset_of_timesteps_is_that_of_the_original()
    {
        GoldenFile golden = GoldenFile.Open("guided_diffusion_250");
        long[] visited = [.. golden["orig_timesteps"].Longs()];
        string settings = golden.Config.GetString()!;
        using var diffusion = new GaussianDiffusion(new DiffusionConfig { NumberOfTrainTimesteps = (int)visited.Max() + 1 }, CPU);
        var options = new GenerationOptions
        {
            Sampler = DiffusionSamplerType.Ddpm,
            NumberOfInferenceSteps = visited.Length,
            Spacing = TimestepSpacing.Linspace,
            Variance = settings.Contains("FIXED_LARGE", StringComparison.Ordinal) ? DdpmVariance.FixedLarge : DdpmVariance.FixedSmall,
        };
        using DiffusionSampler sampler = diffusion.CreateSampler(options, settings.Contains("no clip", StringComparison.Ordinal) ? double.PositiveInfinity : 1);

        // The original works out x_0 as the difference of two products that are up to 20,000 times as large, and keeps as many roundings less.
        double Magnification(int step)
        {
            var (from, to) = ((int)sampler.Timesteps[step], step + 1 < visited.Length ? (int)sampler.Timesteps[step + 1] : -1);
            return Posterior.Of(new ReverseStep(from, to), diffusion.Schedule).SampleWeight / diffusion.Schedule.LevelAt(from).Signal is var times and > 10 ? times : 1;
        }

        golden.CheckEqual("timesteps", visited, sampler.Timesteps.Longs().Order());
        Diffusers.FollowSteps(golden, "step", sampler, golden["model_output"], golden["init"], golden["noise"], golden["sample"], Magnification);
    }

    /// <summary>The original scales the linear schedule so that it ends at the same noise whatever T is.</summary>
    private static DiffusionConfig Config(GoldenFile golden, string schedule)
    {
        int total = (int)golden[schedule + ".betas"].shape[0];
        return schedule == "cosine"
            ? new DiffusionConfig { NumberOfTrainTimesteps = total }
            : new DiffusionConfig { NumberOfTrainTimesteps = total, Schedule = NoiseScheduleType.Linear, BetaStart = 1e-4 * 1000 / total, BetaEnd = 0.02 * 1000 / total };
    }

    private static Posterior Step(NoiseSchedule schedule, int timestep) => Posterior.Of(new ReverseStep(timestep, timestep - 1), schedule);

    /// <summary>"ddimN": N multiples of T / N. "a,b,c": T in as many even sections, each with that many evenly spaced timesteps.</summary>
    private static IEnumerable<int> Space(int total, string text)
    {
        if (text.StartsWith("ddim", StringComparison.Ordinal))
            return InferenceTimesteps.Space(total, int.Parse(text["ddim".Length..], null), TimestepSpacing.Leading);
        int[] counts = [.. text.Split(',').Select(count => int.Parse(count, null))];
        int[] sizes = [.. counts.Select((_, section) => total / counts.Length + (section < total % counts.Length ? 1 : 0))];
        return counts.SelectMany((count, section) => InferenceTimesteps.Space(sizes[section], count, TimestepSpacing.Linspace).Select(timestep => sizes.Take(section).Sum() + timestep));
    }
}
