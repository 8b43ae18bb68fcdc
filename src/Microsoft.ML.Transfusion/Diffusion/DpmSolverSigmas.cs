// Where DPM-Solver++ stops on its way: timesteps and their σ = √((1 − ᾱ) / ᾱ). Timesteps are spaced as elsewhere, but without the least noisy
// one, which the last step arrives at; or σ follows Karras et al. 2022, eq. 5, and the network is told the nearest timestep.
namespace Microsoft.ML.Transfusion.Diffusion;

internal static class DpmSolverSigmas
{
    private const double KarrasPower = 7;                   // ρ
    private const double LeastAlphaCumprod = 1.0 / (1 << 24);   // for schedules that end without signal, where σ would be infinite

    /// <summary>Timesteps of the steps, and σ before each of them and after the last.</summary>
    public static (double[] Timesteps, double[] Sigmas) Of(NoiseSchedule schedule, int steps, TimestepSpacing spacing, int offset, DpmSolverOptions options)
    {
        double[] all = [.. schedule.AlphasCumprod.Select(alphaCumprod => schedule.Round(Sigma(alphaCumprod == 0 ? LeastAlphaCumprod : alphaCumprod)))];    // rising
        double final = options.FinalSigma == DpmSolverFinalSigma.Zero ? 0 : all[0];
        if (options.UseKarrasSigmas)
        {
            double[] sigmas = [.. Enumerable.Range(0, steps).Select(i => Karras(all[^1], all[0], (double)i / Math.Max(steps - 1, 1)))];
            return ([.. sigmas.Select(sigma => Math.Round(TimestepOf(sigma, all)))], [.. sigmas.Select(schedule.Round), final]);
        }
        int total = schedule.NumberOfTimesteps;
        int[] timesteps = spacing == TimestepSpacing.Trailing || steps == total         // steps = T visits every timestep in any spacing
            ? InferenceTimesteps.Space(total, steps, spacing, offset)
            : InferenceTimesteps.Space(total, steps + 1, spacing, offset)[..^1];
        return ([.. timesteps.Select(timestep => (double)timestep)], [.. timesteps.Select(timestep => all[timestep]), final]);
    }

    private static double Sigma(double alphaCumprod) => Math.Sqrt((1 - alphaCumprod) / alphaCumprod);

    /// <summary>Evenly in σ^(1/ρ), from the largest at 0 to the smallest at 1.</summary>
    private static double Karras(double largest, double smallest, double at)
    {
        double from = Math.Pow(largest, 1 / KarrasPower), to = Math.Pow(smallest, 1 / KarrasPower);
        return Math.Pow(from + at * (to - from), KarrasPower);
    }

    /// <summary>The timestep, between whole ones, at which training had this much noise; linear in log σ.</summary>
    private static double TimestepOf(double sigma, double[] all)
    {
        int above = Array.FindIndex(all, other => other > sigma);
        if (above <= 0)
            return above < 0 ? all.Length - 1 : 0;
        return above - 1 + Math.Log(sigma / all[above - 1]) / Math.Log(all[above] / all[above - 1]);
    }
}
