// How much signal and noise there is at each timestep: β_t, α_t = 1 − β_t and ᾱ_t = Π α (Ho et al. 2020; cosine: Nichol and Dhariwal 2021, eq. 17).
namespace Microsoft.ML.Transfusion.Diffusion;

/// <summary>The three sequences of a forward process, each of T doubles.</summary>
internal sealed class NoiseSchedule
{
    private const double MaxBeta = 0.999;                   // keeps the cosine schedule's last step from being singular
    private const double CosineOffset = 0.008;

    public NoiseSchedule(NoiseScheduleType type, int numberOfTimesteps)
    {
        Betas = type switch
        {
            NoiseScheduleType.Cosine => Cosine(numberOfTimesteps),
            NoiseScheduleType.Linear => [.. Evenly(1e-4, 0.02, numberOfTimesteps)],
            NoiseScheduleType.ScaledLinear => [.. Evenly(Math.Sqrt(0.00085), Math.Sqrt(0.012), numberOfTimesteps).Select(root => root * root)],
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Unknown noise schedule."),
        };
        Alphas = [.. Betas.Select(beta => 1 - beta)];
        AlphasCumprod = new double[numberOfTimesteps];
        double product = 1;
        for (int t = 0; t < numberOfTimesteps; t++)
            AlphasCumprod[t] = product *= Alphas[t];
    }

    public int NumberOfTimesteps => Betas.Length;

    public double[] Betas { get; }

    public double[] Alphas { get; }

    public double[] AlphasCumprod { get; }

    /// <summary>ᾱ at a timestep; 1, a clean image, before the first.</summary>
    public double AlphaCumprodAt(int timestep) => timestep < 0 ? 1 : AlphasCumprod[timestep];

    private static double[] Cosine(int count)
    {
        double Signal(double t) => Math.Pow(Math.Cos((t / count + CosineOffset) / (1 + CosineOffset) * Math.PI / 2), 2);
        return [.. Enumerable.Range(0, count).Select(t => Math.Min(1 - Signal(t + 1) / Signal(t), MaxBeta))];
    }

    private static IEnumerable<double> Evenly(double first, double last, int count) =>
        Enumerable.Range(0, count).Select(i => count == 1 ? first : first + (last - first) * i / (count - 1));
}
