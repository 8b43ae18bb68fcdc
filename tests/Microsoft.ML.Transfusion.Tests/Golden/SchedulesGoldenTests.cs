// Noise schedules, the forward process and the spacing of timesteps, against diffusers.
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Transfusion.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public sealed partial class SchedulesGoldenTests : IDisposable
{
    private const string ZeroSnr = "_zero_snr";
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [SkippableFact]
    public void Schedules_are_those_of_diffusers_in_both_precisions()
    {
        GoldenFile golden = GoldenFile.Open("schedules");
        foreach ((string name, DiffusionConfig config) in Schedules(golden))
        {
            // The stretch to no signal divides differences of nearly equal numbers: two releases of torch are 8e-6 apart there.
            double tolerance = config.ZeroTerminalSnr ? 1e-5 : 1e-7;
            string suffix = config.ZeroTerminalSnr ? ", zero SNR" : "";
            var schedule = new NoiseSchedule(config, ScalarType.Float32);
            golden.Check("betas" + suffix, golden[name + ".betas"], tensor(schedule.Betas), tolerance, name);
            golden.Check("alphas_cumprod" + suffix, golden[name + ".alphas_cumprod"], tensor(schedule.AlphasCumprod), tolerance, name);
            var ours = new NoiseSchedule(config);
            golden.Check("betas, in 64 bit" + suffix, golden[name + ".betas"], tensor(ours.Betas), 1e-5, name);
            golden.Check("alphas_cumprod, in 64 bit" + suffix, golden[name + ".alphas_cumprod"], tensor(ours.AlphasCumprod), 1e-5, name);
        }
    }

    [SkippableFact]
    public void AddNoise_and_the_velocity_are_those_of_diffusers()
    {
        GoldenFile golden = GoldenFile.Open("schedules");
        int compared = 0;
        foreach ((string name, DiffusionConfig config) in Schedules(golden).Where(schedule => golden.Tensors.ContainsKey(schedule.Name + ".add_noise")))
        {
            foreach ((ScalarType precision, string suffix) in ((ScalarType, string)[])[(ScalarType.Float32, ""), (ScalarType.Float64, ", in 64 bit")])
            {
                using var diffusion = new GaussianDiffusion(config with { Prediction = PredictionType.Velocity }, CPU, precision);
                golden.Check("add_noise" + suffix, golden[name + ".add_noise"], diffusion.AddNoise(golden["x0"], golden["noise"], golden["timesteps"]), 1e-5, name);
                golden.Check("velocity" + suffix, golden[name + ".velocity"], diffusion.Target(golden["x0"], golden["noise"], golden["timesteps"]), 1e-5, name);
                compared++;
            }
        }
        Assert.NotEqual(0, compared);
    }

    [SkippableFact]
    public void Timesteps_are_those_of_diffusers()
    {
        GoldenFile golden = GoldenFile.Open("timesteps");
        Match[] runs = [.. golden.Tensors.Keys.Select(key => Run.Match(key)).Where(match => match.Success)];
        int total = TrainTimestepsOf(golden);
        foreach (Match run in runs)
        {
            TimestepSpacing spacing = Diffusers.Spacings[run.Groups["spacing"].Value];
            int steps = int.Parse(run.Groups["steps"].Value, CultureInfo.InvariantCulture), offset = int.Parse(run.Groups["offset"].Value, CultureInfo.InvariantCulture);
            golden.CheckEqual($"{run.Groups["sampler"].Value} timesteps", golden[run.Value].Longs(), InferenceTimesteps.Space(total, steps, spacing, offset).Select(timestep => (long)timestep));
        }
        Assert.NotEmpty(runs);
    }

    [SkippableFact]
    public void Timesteps_and_sigmas_of_the_solver_are_those_of_diffusers()
    {
        GoldenFile golden = GoldenFile.Open("timesteps");
        Match[] runs = [.. golden.Tensors.Keys.Select(key => SolverRun.Match(key)).Where(match => match.Success)];
        DiffusionConfig config = SolverSchedule(golden, TrainTimestepsOf(golden));
        foreach (Match run in runs)
        {
            TimestepSpacing spacing = Diffusers.Spacings[run.Groups["spacing"].Value];
            int steps = int.Parse(run.Groups["steps"].Value, CultureInfo.InvariantCulture);
            (double[] timesteps, double[] sigmas) = DpmSolverSigmas.Of(new NoiseSchedule(config, ScalarType.Float32), steps, spacing, 0, new DpmSolverOptions());
            golden.CheckEqual("dpmpp timesteps", golden[run.Value].Longs(), timesteps.Longs());
            Tensor recorded = golden[run.Value + ".sigmas"];
            golden.Check("dpmpp sigmas, as 1 / (1 + sigma)", 1 / (1 + recorded), 1 / (1 + tensor(sigmas)), 1e-6, run.Value);
        }
        Assert.NotEmpty(runs);
    }

    private static IEnumerable<(string Name, DiffusionConfig Config)> Schedules(GoldenFile golden)
    {
        string[] names = [.. golden.Tensors.Keys.Where(key => key.EndsWith(".betas", StringComparison.Ordinal)).Select(key => key[..^".betas".Length])];
        Assert.NotEmpty(names);
        foreach (string name in names)
        {
            bool zeroSnr = name.EndsWith(ZeroSnr, StringComparison.Ordinal);
            JsonElement settings = golden.Config.GetProperty(zeroSnr ? name[..^ZeroSnr.Length] : name);
            yield return (name, Diffusers.Config(settings, "v_prediction", Diffusers.TrainTimesteps(golden.Config)) with { ZeroTerminalSnr = zeroSnr });
        }
    }

    /// <summary>Where the recording does not name T, trailing spacing tells: it starts at T − 1.</summary>
    private static int TrainTimestepsOf(GoldenFile golden) => golden.Config.ValueKind == JsonValueKind.Object
        ? Diffusers.TrainTimesteps(golden.Config)
        : golden.Tensors.Where(tensor => tensor.Key.Contains(".trailing.", StringComparison.Ordinal) && tensor.Value.dtype == ScalarType.Int64).Max(tensor => (int)tensor.Value.Longs().Max()) + 1;

    /// <summary>Nor does it name the solver's schedule, which the largest recorded sigma tells.</summary>
    private static DiffusionConfig SolverSchedule(GoldenFile golden, int total)
    {
        double largest = golden.Tensors.Where(tensor => tensor.Key.EndsWith(".sigmas", StringComparison.Ordinal)).Max(tensor => tensor.Value.max().ToDouble());
        DiffusionConfig[] candidates = [.. Enum.GetValues<NoiseScheduleType>().Select(type => new DiffusionConfig { Schedule = type, NumberOfTrainTimesteps = total })];
        double Last(DiffusionConfig config) => DpmSolverSigmas.Of(new NoiseSchedule(config), 1, TimestepSpacing.Trailing, 0, new DpmSolverOptions()).Sigmas[0];
        return candidates.MinBy(config => Math.Abs(Math.Log(Last(config) / largest)))!;
    }

    [GeneratedRegex(@"^(?<sampler>ddpm|ddim)\.(?<spacing>\w+)\.(?<steps>\d+)\.offset(?<offset>\d+)$")]
    private static partial Regex Run { get; }

    [GeneratedRegex(@"^dpmpp\.(?<spacing>\w+)\.(?<steps>\d+)$")]
    private static partial Regex SolverRun { get; }
}
