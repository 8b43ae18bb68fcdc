// One training run, by everything that decides what comes out of it.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Transfusion;

namespace Experiments;

/// <summary>What one run trains, on what, and for how long. Runs end by steps, never by time, so that they come out the same on every machine of one kind.</summary>
internal sealed record Experiment
{
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter() } };

    /// <summary>"shapes", or a folder of captioned pictures.</summary>
    public string Data { get; init; } = ExperimentData.Shapes;

    public ImageObjective Objective { get; init; }

    public int HiddenSize { get; init; } = 128;

    public int Layers { get; init; } = 4;

    public PatchEncoding Encoder { get; init; }

    public int PatchSize { get; init; } = 8;

    public bool CausalImages { get; init; }

    public int NoiseLimit { get; init; } = 500;

    public double DiffusionLossWeight { get; init; } = 5;

    /// <summary>Weight of the language loss of captions that a picture follows; the paper's is 1.</summary>
    public double CaptionWeight { get; init; } = 0.1;

    /// <summary>Whether captions alone are learned.</summary>
    public bool TextOnly { get; init; }

    /// <summary>Whether half of the rows are captions alone, beside pairs.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool HalfText { get; init; }

    public int Steps { get; init; } = 1000;

    public int Seed { get; init; } = 1;

    /// <summary>The same for the same run and for no other.</summary>
    [JsonIgnore]
    public string Key => Fingerprint(ToJson());

    [JsonIgnore]
    public TransformerConfig Transformer => Sized(HiddenSize, Layers) with { CausalImages = CausalImages, QueryKeyNorm = Objective == ImageObjective.DiscreteTokens };

    [JsonIgnore]
    public ImageCodecConfig Image => new() { ImageHeight = ExperimentData.Side, ImageWidth = ExperimentData.Side, PatchSize = PatchSize, PatchEncoding = Encoder, UNetPlaceSize = Math.Min(4, PatchSize) };

    [JsonIgnore]
    public DiffusionConfig Diffusion => DiffusionConfig.Minutes with { ImageFirstMaxTimestep = NoiseLimit, DiffusionLossWeight = DiffusionLossWeight, CaptionFirstLanguageWeight = CaptionWeight };

    // The Chameleon recipe's own stability changes beside QK-norm: the z-loss (post-norm was left out: docs/experiments.md).
    [JsonIgnore]
    public OptimizerConfig Optimizer => OptimizerConfig.Minutes with { BatchSize = BatchSize, ZLossWeight = Objective == ImageObjective.DiscreteTokens ? 1e-5 : 0 };

    public const int BatchSize = 32;

    /// <summary>A transformer with heads of 32 values.</summary>
    public static TransformerConfig Sized(int hiddenSize, int layers) => TransformerConfig.Tiny with { HiddenSize = hiddenSize, NumberOfLayers = layers, NumberOfHeads = hiddenSize / 32 };

    public static string Fingerprint(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..16];

    public string ToJson() => JsonSerializer.Serialize(this, Format);

    public static Experiment FromJson(string json) => JsonSerializer.Deserialize<Experiment>(json, Format)!;
}

/// <summary>What came out of a run. Shares are in [0, 1]; null is what the run does not learn, or nobody can judge.</summary>
internal sealed record RunResult
{
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    /// <summary>Floating-point operations of the whole training.</summary>
    public required double Flops { get; init; }

    /// <summary>Nats a token of held-out captions, given their pictures.</summary>
    public double? CaptionLoss { get; init; }

    /// <summary>Nats a token of held-out captions alone.</summary>
    public required double TextLoss { get; init; }

    /// <summary>Squared error at fixed noise on held-out pictures, in the unit of the velocity; of codes, nats a code.</summary>
    public double? PictureLoss { get; init; }

    public double? CaptionsCorrect { get; init; }

    public double? DrawnCorrectly { get; init; }

    public required double TrainSeconds { get; init; }

    public string ToJson() => JsonSerializer.Serialize(this, Format) + Environment.NewLine;

    public static RunResult FromJson(string json) => JsonSerializer.Deserialize<RunResult>(json, Format)!;
}
