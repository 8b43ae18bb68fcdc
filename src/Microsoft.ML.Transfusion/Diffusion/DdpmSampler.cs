// Ancestral sampling (Ho et al. 2020): the mean of q(x_{t−1} | x_t, x_0), eq. 7, plus noise of its variance.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

internal sealed class DdpmSampler(GaussianDiffusion diffusion, int numberOfInferenceSteps, TimestepSpacing spacing, bool clipSample)
    : DiffusionSampler(diffusion, numberOfInferenceSteps, spacing, clipSample)
{
    public override bool IsStochastic => true;

    private protected override Tensor Step(Tensor sample, Tensor impliedNoise, Tensor noisySample, double alphaCumprod, double previousAlphaCumprod, Tensor? noise)
    {
        double alpha = alphaCumprod / previousAlphaCumprod, beta = 1 - alpha;
        double sampleWeight = Math.Sqrt(previousAlphaCumprod) * beta / (1 - alphaCumprod);
        double noisyWeight = Math.Sqrt(alpha) * (1 - previousAlphaCumprod) / (1 - alphaCumprod);
        Tensor mean = sampleWeight * sample + noisyWeight * noisySample;
        double variance = (1 - previousAlphaCumprod) / (1 - alphaCumprod) * beta;
        return variance <= 0 ? mean : mean + Math.Sqrt(variance) * (noise ?? throw new ArgumentNullException(nameof(noise), "DDPM adds noise at every step but the last."));
    }
}
