// How an image comes out of noise: the sampler, the timesteps it visits, and DDPM's variance.
namespace Microsoft.ML.Transfusion;

/// <summary>How reverse diffusion steps are taken.</summary>
public enum DiffusionSamplerType
{
    /// <summary>The objective's own: <see cref="DpmSolver"/> for <see cref="DiffusionObjective.Ddpm"/>, <see cref="Euler"/> for <see cref="DiffusionObjective.FlowMatching"/>.</summary>
    Auto,

    /// <summary>Ancestral sampling (Ho et al. 2020), with fresh noise at every step; the paper's, with 250 steps.</summary>
    Ddpm,

    /// <summary>Implicit sampling (Song et al. 2021), deterministic unless <see cref="GenerationOptions.Eta"/> says otherwise; good from about 25 steps.</summary>
    Ddim,

    /// <summary>DPM-Solver++ (Lu et al. 2022), deterministic; good from about 10 steps. <see cref="GenerationOptions.DpmSolver"/> has its settings.</summary>
    DpmSolver,

    /// <summary>Euler's method along the straight paths of flow matching, deterministic; for models trained with <see cref="DiffusionObjective.FlowMatching"/>.</summary>
    Euler,
}

/// <summary>Which training timesteps the inference steps visit.</summary>
public enum TimestepSpacing
{
    /// <summary>Multiples of T / steps, from 0 up: the first step is short of pure noise.</summary>
    Leading,

    /// <summary>Counted down from T, so that the first step starts at pure noise.</summary>
    Trailing,

    /// <summary>Evenly from the least noise to T − 1, both included.</summary>
    Linspace,
}

/// <summary>The variance of the noise that a DDPM step adds (Ho et al. 2020, §3.2).</summary>
public enum DdpmVariance
{
    /// <summary>β̃, that of the posterior when the image is known: right if images were all alike. The lower bound, and the cleaner pictures in few steps.</summary>
    FixedSmall,

    /// <summary>β, that of the forward process: right if images were themselves noise. The upper bound.</summary>
    FixedLarge,
}
