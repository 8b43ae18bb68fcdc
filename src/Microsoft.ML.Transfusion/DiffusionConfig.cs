// How images are noised, what the network predicts, and how pairs are laid out for it. Defaults are the paper's (Transfusion §2.2, §4.1).
namespace Microsoft.ML.Transfusion;

/// <summary>Which process turns images into noise and back.</summary>
public enum DiffusionObjective
{
    /// <summary>Gaussian diffusion by a noise schedule (Ho et al. 2020); the paper's.</summary>
    Ddpm,

    /// <summary>Flow matching: straight paths from the image to the noise (Lipman et al. 2023, Liu et al. 2022).</summary>
    FlowMatching,
}

/// <summary>The noise schedule: how much signal is left at each timestep.</summary>
public enum NoiseScheduleType
{
    /// <summary>Squared cosine of Nichol and Dhariwal 2021; the paper's.</summary>
    Cosine,

    /// <summary>β rises linearly, from 1e-4 to 0.02 unless told otherwise (Ho et al. 2020).</summary>
    Linear,

    /// <summary>√β rises linearly, from √0.00085 to √0.012 unless told otherwise (Stable Diffusion).</summary>
    ScaledLinear,
}

/// <summary>What the network predicts from a noisy image.</summary>
public enum PredictionType
{
    /// <summary>The noise ε; the paper's.</summary>
    Epsilon,

    /// <summary>The velocity: √ᾱ·ε − √(1 − ᾱ)·x₀ (Salimans and Ho 2022), or ε − x₀ of flow matching.</summary>
    Velocity,

    /// <summary>The clean image x₀.</summary>
    Sample,
}

/// <summary>How training timesteps are drawn.</summary>
public enum TimestepDistribution
{
    /// <summary>Every timestep equally often; the paper's.</summary>
    Uniform,

    /// <summary>
    /// t / T is the logistic function of a normal number (Esser et al. 2024), so that most steps train the noise levels at which a caption decides what is seen.
    /// Images under the noise limit, which are described, stay uniform.
    /// </summary>
    LogitNormal,
}

/// <summary>The diffusion half of the recipe. Immutable: derive with <c>new DiffusionConfig { … }</c> or <c>with</c>.</summary>
public sealed record DiffusionConfig
{
    /// <summary>
    /// For models that train for minutes on simple pictures: the network predicts the clean picture, is judged by the velocity's error, and
    /// sees most of the noise levels where the caption, not the pixels, tells what a shape is. docs/log.md has the runs behind it.
    /// </summary>
    public static DiffusionConfig Minutes => new()
    {
        Prediction = PredictionType.Sample,
        LossTarget = PredictionType.Velocity,
        Timesteps = TimestepDistribution.LogitNormal,
        TimestepMean = 1.1,
        TimestepSpread = 0.8,
        ImageFirstShare = 0.3,
        CaptionFirstLanguageWeight = 0.1,
    };

    /// <summary>The paper's recipe (Transfusion §2.2, §4.1), which is also the default: the noise is predicted, at every timestep equally often.</summary>
    public static DiffusionConfig Paper => new();

    /// <summary>Flow matching instead of the paper's DDPM: the network predicts the velocity ε − x₀ at any noise level σ = t / T.</summary>
    public static DiffusionConfig Flow => new() { Objective = DiffusionObjective.FlowMatching, Prediction = PredictionType.Velocity };

    /// <summary>
    /// The process; <see cref="DiffusionObjective.Ddpm"/> by default. <see cref="DiffusionObjective.FlowMatching"/> has no noise schedule and needs
    /// <see cref="Prediction"/> to be <see cref="PredictionType.Velocity"/>, as <see cref="Flow"/> sets it.
    /// </summary>
    public DiffusionObjective Objective { get; init; } = DiffusionObjective.Ddpm;

    /// <summary>The noise schedule; <see cref="NoiseScheduleType.Cosine"/> by default.</summary>
    public NoiseScheduleType Schedule { get; init; } = NoiseScheduleType.Cosine;

    /// <summary>β of the first timestep, in (0, 1), for the two linear schedules. Null, the default, is the schedule's own.</summary>
    public double? BetaStart { get; init; }

    /// <summary>β of the last timestep, in (0, 1) and not below the first, for the two linear schedules. Null, the default, is the schedule's own.</summary>
    public double? BetaEnd { get; init; }

    /// <summary>
    /// Whether the schedule is stretched until the last timestep is pure noise (Lin et al. 2023), where drawing starts; false by default. The linear
    /// schedules gain from it. The network must not predict ε then, which says nothing of the image at that timestep.
    /// </summary>
    public bool ZeroTerminalSnr { get; init; }

    /// <summary>What the network predicts; <see cref="PredictionType.Epsilon"/> by default.</summary>
    public PredictionType Prediction { get; init; } = PredictionType.Epsilon;

    /// <summary>In which quantity the squared error is taken. Null, the default, means in what is predicted.</summary>
    public PredictionType? LossTarget { get; init; }

    /// <summary>Number of timesteps T of the forward process; 1000 by default.</summary>
    public int NumberOfTrainTimesteps { get; init; } = 1000;

    /// <summary>How training timesteps are drawn; uniformly by default.</summary>
    public TimestepDistribution Timesteps { get; init; } = TimestepDistribution.Uniform;

    /// <summary>Mean of the normal number behind <see cref="TimestepDistribution.LogitNormal"/>; 0 by default, half of T. 1.1 is three quarters of T: towards noise.</summary>
    public double TimestepMean { get; init; }

    /// <summary>Standard deviation of the normal number behind <see cref="TimestepDistribution.LogitNormal"/>, above 0; 1 by default.</summary>
    public double TimestepSpread { get; init; } = 1;

    /// <summary>λ, the weight of the diffusion loss beside the language loss; 5 by default.</summary>
    public double DiffusionLossWeight { get; init; } = 5;

    /// <summary>Share of caption–image pairs laid out image first, in [0, 1]; the rest is caption first. 0.2 by default.</summary>
    public double ImageFirstShare { get; init; } = 0.2;

    /// <summary>
    /// Weight of the language loss of text that an image follows, in [0, 1]; 1, the paper's, by default. Such captions and instructions teach what
    /// people ask for, and their gradient, which cannot fall below the entropy of that, stands beside that of drawing.
    /// </summary>
    public double CaptionFirstLanguageWeight { get; init; } = 1;

    /// <summary>Noise limit: the largest timestep for images that come before the text they are described by; 500 by default (Transfusion §4.3.4). At 0 they are always clean, and nothing is learned of denoising them: right for the sources of edits.</summary>
    public int ImageFirstMaxTimestep { get; init; } = 500;

    /// <summary>Share of caption-first pairs that train without their caption, and of longer documents ending in an image that train without their text, for classifier-free guidance, in [0, 1]; 0.1 by default.</summary>
    public double ConditionDropout { get; init; } = 0.1;
}
