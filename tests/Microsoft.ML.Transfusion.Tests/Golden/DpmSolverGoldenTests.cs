// DPM-Solver++, against diffusers' DPMSolverMultistepScheduler: orders, variants, spacings, Karras' noise levels and both ends.
using System.Text.RegularExpressions;
using Microsoft.ML.Transfusion.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public sealed partial class DpmSolverGoldenTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [SkippableFact]
    public void Every_step_and_every_trajectory_is_that_of_diffusers() => Check(GoldenFile.Open("dpmpp_20"));

    [Fact]
    public void Every_step_of_a_short_walk_is_that_of_diffusers() => Check(GoldenFile.OpenCarried("dpmpp_12"));

    [Fact]
    public void Every_step_with_fresh_noise_is_that_of_diffusers() => Check(GoldenFile.OpenCarried("dpmpp_sde_16"));

    private static void Check(GoldenFile golden)
    {
        int steps = golden.Config.GetProperty("num_inference_steps").GetInt32();
        Match[] runs = [.. golden.Tensors.Keys.Select(key => Run.Match(key)).Where(match => match.Success)];
        foreach (Match run in runs)
        {
            string name = run.Groups["name"].Value, prediction = run.Groups["prediction"].Value, prefix = $"{name}.{prediction}";
            using GaussianDiffusion diffusion = Diffusers.Process(Diffusers.Config(golden.Config, prediction));
            Tensor sigmas = golden[prefix + ".sigmas"], outputs = golden[prefix + ".model_output"], expected = golden[run.Value];
            DiffusionSampler Sampler() => diffusion.CreateSampler(Options(name, steps, endsClean: sigmas[-1].ToDouble() == 0), sampleBound: double.PositiveInfinity);
            using (var sampler = (DpmSolverSampler)Sampler())
            {
                golden.CheckEqual("timesteps", golden[prefix + ".timesteps"].Longs(), sampler.Timesteps.Longs());
                golden.Check("sigmas, as 1 / (1 + sigma)", 1 / (1 + sigmas), 1 / (1 + tensor(sampler.Sigmas.ToArray())), 1e-6, name);
                Diffusers.FollowSteps(golden, prefix + " step", sampler, outputs, golden["init"], golden.Tensors.GetValueOrDefault("noise"), expected);
            }
            using DiffusionSampler whole = Sampler();
            Tensor sample = golden["init"];
            for (int step = 0; step < steps; step++)
            {
                sample = whole.Step(outputs[step], step, sample, golden.Tensors.GetValueOrDefault("noise")?[step]);
                golden.Check(prefix + " trajectory", expected[step], sample, prediction == "epsilon" ? 5e-3 : 1e-5, $"step {step}");
            }
        }
        Assert.NotEmpty(runs);
    }

    /// <summary>A run is named by its order and by what differs from the recording's settings: 2m, 3m, 2m_heun, 2m_karras, 2m_not_lower_final, ….</summary>
    private static GenerationOptions Options(string run, int steps, bool endsClean)
    {
        string[] words = run.Split('_');
        return new GenerationOptions
        {
            Sampler = DiffusionSamplerType.DpmSolver,
            NumberOfInferenceSteps = steps,
            Spacing = words.Where(Diffusers.Spacings.ContainsKey).Select(word => Diffusers.Spacings[word]).FirstOrDefault(TimestepSpacing.Linspace),
            DpmSolver = new DpmSolverOptions
            {
                Order = words[0][0] - '0',
                IsStochastic = words.Contains("sde"),
                Type = words.Contains("heun") ? DpmSolverType.Heun : DpmSolverType.Midpoint,
                UseKarrasSigmas = words.Contains("karras"),
                FinalSigma = endsClean ? DpmSolverFinalSigma.Zero : DpmSolverFinalSigma.Minimum,
                LowerOrderFinal = !run.Contains("not_lower", StringComparison.Ordinal),
            },
        };
    }

    [GeneratedRegex(@"^(?<name>[123]\w+)\.(?<prediction>epsilon|v_prediction|sample)\.prev_sample$")]
    private static partial Regex Run { get; }
}
