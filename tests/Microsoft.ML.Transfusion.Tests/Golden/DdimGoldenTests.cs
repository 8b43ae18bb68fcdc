// DDIM's steps, against diffusers' DDIMScheduler: η, spacings, prediction types, where the last step arrives, and zero terminal signal.
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Transfusion.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public sealed partial class DdimGoldenTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [SkippableFact]
    public void Every_step_is_that_of_diffusers()
    {
        GoldenFile golden = GoldenFile.Open("ddim_50");
        int steps = golden.Config.GetProperty("num_inference_steps").GetInt32();
        Match[] runs = [.. golden.Tensors.Keys.Select(key => Run.Match(key)).Where(match => match.Success)];
        foreach (Match run in runs)
        {
            string prediction = run.Groups["prediction"].Value, eta = run.Groups["eta"].Value, spacing = run.Groups["spacing"].Value;
            bool endsAtFirst = run.Groups["end"].Success;   // set_alpha_to_one = False: the last step goes to timestep 0, not to a clean image
            using GaussianDiffusion diffusion = Diffusers.Process(Diffusers.Config(golden.Config, prediction));
            ReverseStep[] walk = [.. Diffusers.Walk(diffusion.Schedule.NumberOfTimesteps, steps, Diffusers.Spacings[spacing])
                .Select(step => endsAtFirst ? step with { Next = Math.Max(step.Next, 0) } : step)];
            using var sampler = new DdimSampler(diffusion, walk, double.Parse(eta, CultureInfo.InvariantCulture), Diffusers.SampleBound(golden.Config));
            golden.CheckEqual("timesteps", golden["timesteps." + spacing].Longs(), sampler.Timesteps.Longs());
            string quantity = $"{prediction} eta {eta} {spacing}{(endsAtFirst ? " not_one" : "")} step";

            Diffusers.FollowSteps(golden, quantity, sampler, golden[run.Groups["run"].Value + ".model_output"], golden["init"], golden["noise"], golden[run.Value]);
        }
        Assert.NotEmpty(runs);
    }

    [SkippableFact]
    public void Every_step_from_no_signal_at_all_is_that_of_diffusers()
    {
        GoldenFile golden = GoldenFile.Open("ddim_20_zero_snr_v");
        TimestepSpacing spacing = Diffusers.Spacings[golden.Config.GetProperty("timestep_spacing").GetString()!];
        DiffusionConfig config = Diffusers.Config(golden.Config, golden.Config.GetProperty("prediction").GetString()!, (int)golden["alphas_cumprod"].shape[0]);
        using GaussianDiffusion diffusion = Diffusers.Process(config);
        int steps = golden.Config.GetProperty("num_inference_steps").GetInt32();
        using var sampler = new DdimSampler(diffusion, Diffusers.Walk(config.NumberOfTrainTimesteps, steps, spacing), eta: 0, sampleBound: double.PositiveInfinity);

        golden.Check("alphas_cumprod", tensor(diffusion.Schedule.AlphasCumprod), 1e-5);
        Assert.Equal(0, diffusion.Schedule.AlphasCumprod[^1]);
        golden.CheckEqual("timesteps", golden["timesteps"].Longs(), sampler.Timesteps.Longs());
        Diffusers.FollowSteps(golden, "step", sampler, golden["model_output"], golden["init"], noise: null, golden["prev_sample"]);
    }

    [GeneratedRegex(@"^(?<run>(?<prediction>epsilon|v_prediction|sample)\.eta(?<eta>[\d.]+)\.(?<spacing>leading|trailing|linspace)(?<end>\.not_one)?)\.prev_sample$")]
    private static partial Regex Run { get; }
}
