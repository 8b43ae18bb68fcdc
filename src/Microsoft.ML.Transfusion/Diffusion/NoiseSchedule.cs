// How much noise each timestep adds, β_t, and how much signal is then left, ᾱ_t = Π (1 − β) (Ho et al. 2020; cosine: Nichol and Dhariwal 2021,
// eq. 17; zero terminal signal: Lin et al. 2023, algorithm 1).
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

internal sealed class NoiseSchedule
{
    private const double MaxBeta = 0.999;                   // keeps the cosine schedule's last step from being singular
    private const double CosineOffset = 0.008;
    private readonly bool _isSingle;

    /// <param name="config">The shape of the schedule and its number of timesteps T.</param>
    /// <param name="precision">
    /// In which numbers the tables are made. Ours are 64-bit, as OpenAI's are. diffusers makes them in 32 bits, where 1 − ᾱ of the first timesteps
    /// keeps four digits, and √ᾱ of the last ones meets noise 20,000 times as large; only with the same rounding do single steps agree to 1e-5.
    /// </param>
    public NoiseSchedule(DiffusionConfig config, ScalarType precision = ScalarType.Float64)
    {
        _isSingle = precision == ScalarType.Float32;
        using var scope = NewDisposeScope();
        int count = config.NumberOfTrainTimesteps;
        Tensor betas = config.Schedule switch
        {
            NoiseScheduleType.Cosine => tensor(Cosine(count)).to(precision),
            NoiseScheduleType.Linear => linspace(config.BetaStart ?? 1e-4, config.BetaEnd ?? 0.02, count, precision),
            NoiseScheduleType.ScaledLinear => linspace(Math.Sqrt(config.BetaStart ?? 0.00085), Math.Sqrt(config.BetaEnd ?? 0.012), count, precision).Squared(),
            _ => throw new ArgumentOutOfRangeException(nameof(config), config.Schedule, "Unknown noise schedule."),
        };
        if (config.ZeroTerminalSnr)
            betas = WithoutTerminalSignal(betas);
        Betas = ToArray(betas);
        AlphasCumprod = ToArray((-betas).Plus(1).cumprod(0));
    }

    public int NumberOfTimesteps => Betas.Length;

    /// <summary>β, [T].</summary>
    public double[] Betas { get; }

    /// <summary>ᾱ, [T].</summary>
    public double[] AlphasCumprod { get; }

    /// <summary>ᾱ at a timestep; 1, a clean image, before the first.</summary>
    public double AlphaCumprodAt(int timestep) => timestep < 0 ? 1 : AlphasCumprod[timestep];

    public NoiseLevel LevelAt(int timestep) => new(Math.Sqrt(AlphaCumprodAt(timestep)), Math.Sqrt(1 - AlphaCumprodAt(timestep)));

    /// <summary>The level whose noise is σ times its signal (Karras et al. 2022): Signal = 1 / √(σ² + 1), Spread = σ · Signal.</summary>
    public NoiseLevel LevelOfSigma(double sigma)
    {
        double signal = Round(1 / Round(Math.Sqrt(Round(Round(sigma * sigma) + 1))));
        return new NoiseLevel(signal, Round(sigma * signal));
    }

    /// <summary>To the tables' precision, for what loses digits where it is worked out from them.</summary>
    public double Round(double value) => _isSingle ? (float)value : value;

    private static double[] Cosine(int count)
    {
        double Signal(double t) => Math.Pow(Math.Cos((t / count + CosineOffset) / (1 + CosineOffset) * Math.PI / 2), 2);
        return [.. Enumerable.Range(0, count).Select(t => Math.Min(1 - Signal(t + 1) / Signal(t), MaxBeta))];
    }

    /// <summary>Shifts and stretches √ᾱ so that its last value is 0 and its first one stays.</summary>
    private static Tensor WithoutTerminalSignal(Tensor betas)
    {
        Tensor signal = (-betas).Plus(1).cumprod(0).sqrt();                                          // √ᾱ
        Tensor first = signal[0], last = signal[-1];
        Tensor alphasCumprod = ((signal - last) * (first / (first - last))).Squared();
        return (-cat([alphasCumprod[..1], alphasCumprod[1..] / alphasCumprod[..^1]])).Plus(1);
    }

    private static double[] ToArray(Tensor table) => table.to(ScalarType.Float64).data<double>().ToArray();
}
