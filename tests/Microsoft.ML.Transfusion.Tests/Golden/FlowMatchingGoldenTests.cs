// Flow matching's noise levels, Euler steps and forward process, against diffusers' FlowMatchEulerDiscreteScheduler.
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Transfusion.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public sealed partial class FlowMatchingGoldenTests : IDisposable
{
    private const double Tolerance = 1e-5;
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [SkippableFact]
    public void Every_step_is_that_of_diffusers()
    {
        GoldenFile golden = GoldenFile.Open("flowmatch_euler_20");
        int total = Diffusers.TrainTimesteps(golden.Config), steps = golden.Config.GetProperty("num_inference_steps").GetInt32();
        using var flow = new FlowMatching(DiffusionConfig.Flow with { NumberOfTrainTimesteps = total });
        Match[] runs = [.. golden.Tensors.Keys.Select(key => Run.Match(key)).Where(match => match.Success)];
        foreach (Match run in runs)
        {
            string name = run.Groups["name"].Value;
            double shift = double.Parse(run.Groups["shift"].Value, CultureInfo.InvariantCulture);
            var options = new GenerationOptions { NumberOfInferenceSteps = steps, Spacing = TimestepSpacing.Linspace, Shift = shift };
            using DiffusionSampler sampler = flow.CreateSampler(options, sampleBound: double.PositiveInfinity);

            golden.Check($"{name} sigmas", golden[name + ".sigmas"], tensor(EulerSampler.Sigmas(total, steps, options.Spacing, shift)), Tolerance);
            golden.Check($"{name} timesteps, as shares of T", golden[name + ".timesteps"] / total, tensor(sampler.Timesteps.ToArray()) / total, Tolerance);
            Diffusers.FollowSteps(golden, $"{name} step", sampler, golden[name + ".model_output"], golden["init"], noise: null, golden[run.Value]);
        }
        Assert.NotEmpty(runs);
    }

    [SkippableFact]
    public void AddNoise_is_that_of_diffusers()
    {
        GoldenFile golden = GoldenFile.Open("flowmatch_euler_20");
        using var flow = new FlowMatching(DiffusionConfig.Flow with { NumberOfTrainTimesteps = Diffusers.TrainTimesteps(golden.Config) });
        Match[] runs = [.. golden.Tensors.Keys.Select(key => Noised.Match(key)).Where(match => match.Success)];
        foreach (Match run in runs)
        {
            Tensor noisy = flow.AddNoise(golden["scale_noise.x0"], golden["scale_noise.noise"], golden["scale_noise.timesteps" + run.Groups["name"].Value]);
            golden.Check("scale_noise", golden[run.Value], noisy, Tolerance);
        }
        Assert.NotEmpty(runs);
    }

    [GeneratedRegex(@"^(?<name>shift(?<shift>[\d.]+))\.prev_sample$")]
    private static partial Regex Run { get; }

    [GeneratedRegex(@"^scale_noise\.out(?<name>.*)$")]
    private static partial Regex Noised { get; }
}
