// How text and images are drawn from a trained model. Two named defaults: the paper's, and a fast one for interactive use.
namespace Microsoft.ML.Transfusion;

/// <summary>How one reverse diffusion step is taken.</summary>
public enum DiffusionSamplerType
{
    /// <summary>Ancestral sampling (Ho et al. 2020); the paper's, with 250 steps.</summary>
    Ddpm,

    /// <summary>Deterministic implicit sampling (Song et al. 2021); good from about 20 steps.</summary>
    Ddim,
}

/// <summary>Which training timesteps the inference steps visit.</summary>
public enum TimestepSpacing
{
    /// <summary>Multiples of T / steps, from 0 up.</summary>
    Leading,

    /// <summary>Counted down from T, so that the first step starts at pure noise.</summary>
    Trailing,

    /// <summary>Evenly from 0 to T − 1, both included.</summary>
    Linspace,
}

/// <summary>Options of generation. Immutable; <see cref="Fast"/> is what methods use when none are given.</summary>
public sealed record GenerationOptions
{
    /// <summary>The paper's: 250 DDPM steps, guidance 5, greedy text (Transfusion §4.1).</summary>
    public static GenerationOptions Paper => new() { Sampler = DiffusionSamplerType.Ddpm, NumberOfInferenceSteps = 250, Spacing = TimestepSpacing.Leading, GuidanceScale = 5 };

    /// <summary>25 DDIM steps, guidance 3, greedy text: for interactive use.</summary>
    public static GenerationOptions Fast => new();

    /// <summary>The sampler; <see cref="DiffusionSamplerType.Ddim"/> by default.</summary>
    public DiffusionSamplerType Sampler { get; init; } = DiffusionSamplerType.Ddim;

    /// <summary>Reverse diffusion steps an image; 25 by default.</summary>
    public int NumberOfInferenceSteps { get; init; } = 25;

    /// <summary>Which timesteps are visited; <see cref="TimestepSpacing.Trailing"/> by default.</summary>
    public TimestepSpacing Spacing { get; init; } = TimestepSpacing.Trailing;

    /// <summary>Classifier-free guidance w: unconditional + w · (conditional − unconditional); 1 turns it off and halves the work. 3 by default.</summary>
    public double GuidanceScale { get; init; } = 3;

    /// <summary>Most text tokens to generate; 64 by default.</summary>
    public int MaxNewTokens { get; init; } = 64;

    /// <summary>Temperature of text sampling; 0, the default, always takes the likeliest token.</summary>
    public double Temperature { get; init; }

    /// <summary>Sample only among this many likeliest tokens; 0, the default, among all.</summary>
    public int TopK { get; init; }

    /// <summary>Sample only among the likeliest tokens that together have this probability, in (0, 1]; 1, the default, among all.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>The seed. One seed and one prompt always give the same result, whatever else is generated beside it.</summary>
    public long Seed { get; init; } = 1;

    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range. What the number of steps may be is the model's to say.</exception>
    internal void Validate()
    {
        static void Check(bool holds, string option, object value, string needed)
        {
            if (!holds)
                throw new ArgumentOutOfRangeException(option, value, $"{option} is {value}; it must be {needed}.");
        }

        Check(double.IsFinite(GuidanceScale), nameof(GuidanceScale), GuidanceScale, "a finite number");
        Check(MaxNewTokens >= 0, nameof(MaxNewTokens), MaxNewTokens, "0 or above");
        Check(double.IsFinite(Temperature) && Temperature >= 0, nameof(Temperature), Temperature, "a finite number, 0 or above");
        Check(TopK >= 0, nameof(TopK), TopK, "0 or above");
        Check(TopP is > 0 and <= 1, nameof(TopP), TopP, "above 0 and at most 1");
    }
}
