// DDPM's steps, against diffusers' DDPMScheduler: every prediction type and variance, clipped and not, and every spacing.
using System.Text.RegularExpressions;
using Microsoft.ML.Transfusion.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public sealed partial class DdpmGoldenTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [SkippableTheory]
    [InlineData("ddpm_1000")]
    [InlineData("ddpm_250")]
    [InlineData("ddpm_50_clip")]
    public void Every_step_is_that_of_diffusers(string name)
    {
        GoldenFile golden = GoldenFile.Open(name);
        int steps = golden.Config.GetProperty("num_inference_steps").GetInt32();
        double bound = Diffusers.SampleBound(golden.Config);
        string usual = golden.Config.TryGetProperty("timestep_spacing", out var given) ? given.GetString()! : "leading";
        Match[] runs = [.. golden.Tensors.Keys.Select(key => Run.Match(key)).Where(match => match.Success)];
        foreach (Match run in runs)
        {
            string prediction = run.Groups["prediction"].Value, variance = run.Groups["variance"].Value, prefix = run.Groups["spacing"].Value;
            TimestepSpacing spacing = Diffusers.Spacings[prefix.Length == 0 ? usual : prefix];
            using GaussianDiffusion diffusion = Diffusers.Process(Diffusers.Config(golden.Config, prediction));
            using var sampler = new DdpmSampler(diffusion, Diffusers.Walk(diffusion.Schedule.NumberOfTimesteps, steps, spacing), Diffusers.Variances[variance], bound);
            golden.CheckEqual("timesteps", golden[prefix.Length == 0 ? "timesteps" : prefix + ".timesteps"].Longs(), sampler.Timesteps.Longs());
            string outputs = golden.Tensors.ContainsKey("model_output") ? "model_output" : $"{prediction}.{variance}.model_output";
            string quantity = $"{prediction} {variance}{(prefix.Length == 0 ? "" : " " + prefix)} step";

            Diffusers.FollowSteps(golden, quantity, sampler, golden[outputs], golden["init"], golden["noise"], golden[run.Value]);
        }
        Assert.NotEmpty(runs);
    }

    [SkippableFact]
    public void Predicted_images_are_those_of_diffusers()
    {
        GoldenFile golden = GoldenFile.Open("ddpm_50_clip");
        double bound = Diffusers.SampleBound(golden.Config);
        string[] keys = [.. golden.Tensors.Keys.Where(key => key.EndsWith(".pred_original", StringComparison.Ordinal))];
        foreach (string key in keys)
        {
            string prediction = key[..key.IndexOf('.', StringComparison.Ordinal)];
            using GaussianDiffusion diffusion = Diffusers.Process(Diffusers.Config(golden.Config, prediction));
            long[] timesteps = [.. golden["timesteps"].Longs()];
            Tensor trajectory = golden[prediction + ".fixed_small.prev_sample"];
            for (int step = 0; step < timesteps.Length; step++)
            {
                var level = diffusion.Schedule.LevelAt((int)timesteps[step]);
                Tensor sample = diffusion.Interpret(golden["model_output"][step], step == 0 ? golden["init"] : trajectory[step - 1], level, bound).Sample;
                golden.Check($"{prediction} pred_original", golden[key][step], sample, Diffusers.StepTolerance, $"step {step}");
            }
        }
        Skip.If(keys.Length == 0, "The recording has no predicted images.");
    }

    [GeneratedRegex(@"^((?<spacing>leading|trailing|linspace)\.)?(?<prediction>epsilon|v_prediction|sample)\.(?<variance>fixed_\w+)\.prev_sample$")]
    private static partial Regex Run { get; }
}
