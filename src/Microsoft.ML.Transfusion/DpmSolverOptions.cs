// The settings of DPM-Solver++. The defaults are those of Lu et al. 2022 for guided sampling.
namespace Microsoft.ML.Transfusion;

/// <summary>How DPM-Solver++ uses the last two predictions.</summary>
public enum DpmSolverType
{
    /// <summary>As if the slope held at the middle of the step; the authors' choice.</summary>
    Midpoint,

    /// <summary>By the exact integral of the slope over the step.</summary>
    Heun,
}

/// <summary>Where the last step of DPM-Solver++ arrives.</summary>
public enum DpmSolverFinalSigma
{
    /// <summary>At a clean image.</summary>
    Zero,

    /// <summary>At the least noise of training, which stays in the picture.</summary>
    Minimum,
}

/// <summary>The settings of <see cref="DiffusionSamplerType.DpmSolver"/>. Immutable.</summary>
public sealed record DpmSolverOptions
{
    /// <summary>How many predictions a step looks at, 1 to 3. 2 by default: 1 is DDIM and needs more steps; 3 is unsteady under guidance, and only for steps without fresh noise.</summary>
    public int Order { get; init; } = 2;

    /// <summary>
    /// Whether every step but the last replaces some of the noise by fresh noise (SDE-DPM-Solver++), as DDPM does; true by default: what a step got
    /// wrong is forgotten sooner, and more drawings come out right (docs/guidance-and-sampling.md). Only for <see cref="Order"/> 1 and 2.
    /// </summary>
    public bool IsStochastic { get; init; } = true;

    /// <summary>The variant of second-order steps; <see cref="DpmSolverType.Midpoint"/> by default.</summary>
    public DpmSolverType Type { get; init; } = DpmSolverType.Midpoint;

    /// <summary>
    /// Whether noise levels follow Karras et al. 2022 instead of <see cref="GenerationOptions.Spacing"/>. False by default: the cosine schedule ends
    /// in almost pure noise, so that most of Karras' steps fall where there is nothing to see yet; it suits <see cref="NoiseScheduleType.ScaledLinear"/>.
    /// </summary>
    public bool UseKarrasSigmas { get; init; }

    /// <summary>Where the last step arrives; <see cref="DpmSolverFinalSigma.Zero"/>, a clean image, by default. That last step is then of order 1.</summary>
    public DpmSolverFinalSigma FinalSigma { get; init; } = DpmSolverFinalSigma.Zero;

    /// <summary>Whether the last two steps take a lower order when there are fewer than 15; true by default, since they are the unsteady ones.</summary>
    public bool LowerOrderFinal { get; init; } = true;
}
