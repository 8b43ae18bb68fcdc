// Deterministic implicit sampling (Song et al. 2021, eq. 12 with η = 0): the implied clean image, re-noised with the noise it implies.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

internal sealed class DdimSampler(GaussianDiffusion diffusion, int numberOfInferenceSteps, TimestepSpacing spacing, bool clipSample)
    : DiffusionSampler(diffusion, numberOfInferenceSteps, spacing, clipSample)
{
    public override bool IsStochastic => false;

    private protected override Tensor Step(Tensor sample, Tensor impliedNoise, Tensor noisySample, double alphaCumprod, double previousAlphaCumprod, Tensor? noise)
    {
        // After clipping, the noise is what is left of x_t once the clipped image is taken out.
        Tensor remaining = (noisySample - Math.Sqrt(alphaCumprod) * sample) / Math.Sqrt(1 - alphaCumprod);
        return Math.Sqrt(previousAlphaCumprod) * sample + Math.Sqrt(1 - previousAlphaCumprod) * remaining;
    }
}
