// What the schedulers of diffusers call things, and how their recordings are followed step by step.
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Transfusion.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

internal static partial class Diffusers
{
    public const double StepTolerance = 1e-5;

    private const double MagnifiedTolerance = 1e-6;         // over the magnification
    private const int DefaultTrainTimesteps = 1000;         // what diffusers takes where a recording does not say

    public static IReadOnlyDictionary<string, PredictionType> Predictions { get; } = new Dictionary<string, PredictionType>
    {
        ["epsilon"] = PredictionType.Epsilon,
        ["v_prediction"] = PredictionType.Velocity,
        ["sample"] = PredictionType.Sample,
    };

    public static IReadOnlyDictionary<string, TimestepSpacing> Spacings { get; } = new Dictionary<string, TimestepSpacing>
    {
        ["leading"] = TimestepSpacing.Leading,
        ["trailing"] = TimestepSpacing.Trailing,
        ["linspace"] = TimestepSpacing.Linspace,
    };

    /// <summary>fixed_small_log is the same variance as fixed_small, by way of its logarithm.</summary>
    public static IReadOnlyDictionary<string, DdpmVariance> Variances { get; } = new Dictionary<string, DdpmVariance>
    {
        ["fixed_small"] = DdpmVariance.FixedSmall,
        ["fixed_small_log"] = DdpmVariance.FixedSmall,
        ["fixed_large"] = DdpmVariance.FixedLarge,
    };

    private static Dictionary<string, NoiseScheduleType> Schedules { get; } = new Dictionary<string, NoiseScheduleType>
    {
        ["squaredcos_cap_v2"] = NoiseScheduleType.Cosine,
        ["linear"] = NoiseScheduleType.Linear,
        ["scaled_linear"] = NoiseScheduleType.ScaledLinear,
    };

    /// <summary>The process of a recording's settings; a schedule may be written "scaled_linear 0.00085..0.012, rescale_betas_zero_snr".</summary>
    public static DiffusionConfig Config(JsonElement settings, string prediction = "epsilon", int? numberOfTrainTimesteps = null)
    {
        Match schedule = ScheduleText.Match(settings.GetProperty("beta_schedule").GetString()!);
        Assert.True(schedule.Success, settings.GetRawText());
        double? Number(string name, string group) => settings.TryGetProperty(name, out JsonElement value) ? value.GetDouble()
            : schedule.Groups[group].Success ? double.Parse(schedule.Groups[group].Value, CultureInfo.InvariantCulture) : null;
        return new DiffusionConfig
        {
            Schedule = Schedules[schedule.Groups["name"].Value],
            BetaStart = Number("beta_start", "first"),
            BetaEnd = Number("beta_end", "last"),
            ZeroTerminalSnr = schedule.Groups["zero"].Success,
            NumberOfTrainTimesteps = numberOfTrainTimesteps ?? TrainTimesteps(settings),
            Prediction = Predictions[prediction],
        };
    }

    public static int TrainTimesteps(JsonElement settings) =>
        settings.ValueKind == JsonValueKind.Object && settings.TryGetProperty("num_train_timesteps", out JsonElement value) ? value.GetInt32() : DefaultTrainTimesteps;

    public static double SampleBound(JsonElement settings) => !settings.GetProperty("clip_sample").GetBoolean() ? double.PositiveInfinity
        : settings.TryGetProperty("clip_sample_range", out JsonElement range) ? range.GetDouble() : 1;

    /// <summary>The process with diffusers' own, 32-bit tables.</summary>
    public static GaussianDiffusion Process(DiffusionConfig config) => new(config, CPU, ScalarType.Float32);

    /// <summary>
    /// The walk of DDPM and DDIM. Their steps go back by T / steps whatever the spacing is; with leading spacing that is the next timestep, as in
    /// every walk of ours.
    /// </summary>
    public static ReverseStep[] Walk(int total, int steps, TimestepSpacing spacing)
    {
        int[] timesteps = InferenceTimesteps.Space(total, steps, spacing);
        return spacing == TimestepSpacing.Leading
            ? InferenceTimesteps.Walk(timesteps)
            : [.. timesteps.Select(timestep => new ReverseStep(timestep, timestep - total / steps))];
    }

    /// <summary>Each step starts from the recorded result of the one before, so that errors do not add up.</summary>
    /// <param name="magnification">How much larger rounding becomes in a step that divides by next to no signal; 1 elsewhere.</param>
    public static void FollowSteps(GoldenFile golden, string quantity, DiffusionSampler sampler, Tensor outputs, Tensor initial, Tensor? noise, Tensor expected, Func<int, double>? magnification = null)
    {
        Assert.Equal(expected.shape[0], sampler.Timesteps.Count);
        for (int step = 0; step < sampler.Timesteps.Count; step++)
        {
            using var scope = NewDisposeScope();
            Tensor after = sampler.Step(outputs[step], step, step == 0 ? initial : expected[step - 1], noise?[step]);
            double times = magnification?.Invoke(step) ?? 1;
            if (times <= 1)
                golden.Check(quantity, expected[step], after, StepTolerance, $"step {step}");
            else
                golden.Check(quantity + " from almost no signal, over its magnification", expected[step] / times, after / times, MagnifiedTolerance, $"step {step}");
        }
    }

    public static IEnumerable<long> Longs(this Tensor tensor) => tensor.data<long>();

    public static IEnumerable<long> Longs(this IEnumerable<double> numbers) => numbers.Select(number => (long)number);

    [GeneratedRegex(@"^(?<name>\w+)( (?<first>[^\s,]+?)\.\.(?<last>[^\s,]+))?(?<zero>, rescale_betas_zero_snr)?$")]
    private static partial Regex ScheduleText { get; }
}
