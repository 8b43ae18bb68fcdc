// report.json: what a run reached and what it cost.
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Samples.Common;

/// <summary>The numbers of one run. Shares are fractions in [0, 1]; null is what a sample cannot judge.</summary>
public sealed record Report
{
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public required double CaptionsCorrect { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? CaptionsCorrectOneObject { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? CaptionsCorrectTwoObjects { get; init; }

    /// <summary>How often the right caption was the likeliest of all.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? RankedCorrectly { get; init; }

    public double? DrawnCorrectly { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? DrawnCorrectlyOneObject { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? DrawnCorrectlyTwoObjects { get; init; }

    public required int CaptionsEvaluated { get; init; }

    public int? DrawingsEvaluated { get; init; }

    public required int Seed { get; init; }

    public required int Steps { get; init; }

    /// <summary>Positions (text tokens and image patches) trained a second, over the whole training.</summary>
    public required double TokensPerSecond { get; init; }

    public required double TrainSeconds { get; init; }

    /// <summary>Since the process began.</summary>
    public double WallSeconds { get; init; } = (DateTime.Now - Process.GetCurrentProcess().StartTime).TotalSeconds;

    /// <summary>The most memory the process held at any time.</summary>
    public long PeakMemoryBytes { get; init; } = PeakMemory.Bytes;

    public void Save(string path) => File.WriteAllText(path, JsonSerializer.Serialize(this, Format) + Environment.NewLine);
}
