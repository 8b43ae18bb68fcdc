// The reverse step that the forward process implies when the clean image is known: q(x_s | x_t, x_0) of DDPM (Ho et al. 2020, eq. 7), between
// any two timesteps s < t. With s = t − 1 it is the paper's; with others it is the respaced process of Nichol and Dhariwal 2021, §4.
namespace Microsoft.ML.Transfusion.Diffusion;

/// <param name="SampleWeight">Weight of x_0 in the mean.</param>
/// <param name="NoisyWeight">Weight of x_t in the mean.</param>
/// <param name="Variance">β̃, the variance of q: the smallest that a reverse step can have; 0 towards a clean image.</param>
/// <param name="Beta">β, the noise that the forward process adds between s and t: the largest variance of a reverse step.</param>
internal readonly record struct Posterior(double SampleWeight, double NoisyWeight, double Variance, double Beta)
{
    public static Posterior Of(ReverseStep step, NoiseSchedule schedule)
    {
        double alphaCumprod = schedule.AlphaCumprodAt(step.Timestep), nextAlphaCumprod = schedule.AlphaCumprodAt(step.Next);
        double alpha = schedule.Round(alphaCumprod / nextAlphaCumprod), beta = schedule.Round(1 - alpha);
        double noiseRatio = schedule.Round(schedule.Round(1 - nextAlphaCumprod) / schedule.Round(1 - alphaCumprod));
        return new Posterior(
            Math.Sqrt(nextAlphaCumprod) * beta / (1 - alphaCumprod),
            Math.Sqrt(alpha) * noiseRatio,
            schedule.Round(noiseRatio * beta),
            beta);
    }
}
