// Vectors with captions: windows of two channels that carry a slow or fast, sine or square wave at any phase, with noise, in the units of two sensors.
using Microsoft.ML.Data;

namespace Microsoft.ML.Transfusion.Tests;

public class WaveRow
{
    public string? Caption { get; set; }

    [VectorType(WaveVectors.Channels, WaveVectors.Length)]
    public float[]? Window { get; set; }
}

public class GeneratedWave
{
    public string? Caption { get; set; }

    public string? GeneratedText { get; set; }

    [VectorType(WaveVectors.Channels, WaveVectors.Length)]
    public float[]? GeneratedVector { get; set; }

    [VectorType(3)]
    public float[]? Score { get; set; }
}

internal static class WaveVectors
{
    public const int Channels = 2, Length = 48;
    private const double Noise = 0.2;
    private static readonly string[] Captions = ["slow sine", "fast sine", "slow square", "fast square"];

    public static List<WaveRow> Rows(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            int kind = random.Next(Captions.Length), phase = random.Next(Length);
            return new WaveRow
            {
                Caption = Captions[kind],
                Window = [.. Wave(kind, phase).Select(value => (float)(100 + 20 * (value + Noise * Normal(random)))), .. Wave(kind, phase).Select(value => (float)(0.001 * (Noise * Normal(random) - value)))],
            };
        })];
    }

    /// <summary>The caption of the wave that is nearest to a window, in both channels' units.</summary>
    public static string Nearest(float[] window)
    {
        double[] standard = [.. window.Select((value, at) => at < Length ? (value - 100) / 20 : -value / 0.001)];
        return Captions[Enumerable.Range(0, Captions.Length).MinBy(kind => Enumerable.Range(0, Length).Min(phase =>
        {
            double[] wave = Wave(kind, phase);
            return standard.Select((value, at) => Math.Pow(value - wave[at % Length], 2)).Sum();
        }))];
    }

    public static TransfusionTrainer.Options Options => TinyTraining.Options with
    {
        ColumnNames = [nameof(WaveRow.Caption), nameof(WaveRow.Window)],
        Transformer = new TransformerConfig { HiddenSize = 64, NumberOfLayers = 2, NumberOfHeads = 2, MaxSequenceLength = 64, LearnedPatchPositions = true },
        Diffusion = DiffusionConfig.Minutes,
        Optimizer = OptimizerConfig.Minutes,
        Generation = GenerationOptions.Fast with { MaxNewTokens = 16 },
        Seed = 1,
    };

    private static double[] Wave(int kind, int phase) => [.. Enumerable.Range(0, Length).Select(at =>
    {
        double sine = Math.Sin((at + phase) * 2 * Math.PI * (kind % 2 == 0 ? 2 : 5) / Length);
        return kind < 2 ? sine : 0.8 * Math.Sign(sine + 1e-9);
    })];

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
