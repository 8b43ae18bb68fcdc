// How text and images are drawn from a trained model. Two named defaults: the paper's, and a fast one for interactive use.
namespace Microsoft.ML.Transfusion;

/// <summary>Options of generation. Immutable; <see cref="Fast"/> is what methods use when none are given.</summary>
public sealed record GenerationOptions
{
    /// <summary>The paper's: 250 DDPM steps, guidance 5, greedy text (Transfusion §4.1).</summary>
    public static GenerationOptions Paper => new() { Sampler = DiffusionSamplerType.Ddpm, NumberOfInferenceSteps = 250, Spacing = TimestepSpacing.Leading, GuidanceScale = 5 };

    /// <summary>20 steps of DPM-Solver++ (of Euler for flow matching), guidance 3, greedy text: for interactive use.</summary>
    public static GenerationOptions Fast => new();

    /// <summary>The sampler; <see cref="DiffusionSamplerType.Auto"/>, the model's own, by default.</summary>
    public DiffusionSamplerType Sampler { get; init; }

    /// <summary>Reverse diffusion steps an image, from 1 to the model's <see cref="DiffusionConfig.NumberOfTrainTimesteps"/>; 20 by default.</summary>
    public int NumberOfInferenceSteps { get; init; } = 20;

    /// <summary>
    /// Which timesteps are visited; <see cref="TimestepSpacing.Trailing"/> by default, since the first image is pure noise and the network should
    /// be told so. <see cref="TimestepSpacing.Leading"/> is not for flow matching.
    /// </summary>
    public TimestepSpacing Spacing { get; init; } = TimestepSpacing.Trailing;

    /// <summary>Added to the timesteps of <see cref="TimestepSpacing.Leading"/>, which must stay below the model's number; 0 by default.</summary>
    public int TimestepOffset { get; init; }

    /// <summary>The noise that <see cref="DiffusionSamplerType.Ddpm"/> adds; <see cref="DdpmVariance.FixedSmall"/> by default.</summary>
    public DdpmVariance Variance { get; init; } = DdpmVariance.FixedSmall;

    /// <summary>η of <see cref="DiffusionSamplerType.Ddim"/>, in [0, 1]: 0, the default, adds no fresh noise; 1 adds as much as DDPM.</summary>
    public double Eta { get; init; }

    /// <summary>The settings of <see cref="DiffusionSamplerType.DpmSolver"/>.</summary>
    public DpmSolverOptions DpmSolver { get; init; } = new();

    /// <summary>
    /// Shift s of <see cref="DiffusionSamplerType.Euler"/>, above 0: noise levels σ become s·σ / (1 + (s − 1)·σ) (Esser et al. 2024). 1, the default,
    /// leaves them evenly spaced; more gives high noise more of the steps, which large images want.
    /// </summary>
    public double Shift { get; init; } = 1;

    /// <summary>Classifier-free guidance w: unconditional + w · (conditional − unconditional); 1 turns it off and halves the work. 3 by default.</summary>
    public double GuidanceScale { get; init; } = 3;

    /// <summary>
    /// Guidance rescale φ in [0, 1] (Lin et al. 2023): how much of the contrast that guidance adds is taken back. 0, the default, takes nothing;
    /// about 0.7 keeps pictures from washing out at a high <see cref="GuidanceScale"/>.
    /// </summary>
    public double GuidanceRescale { get; init; }

    /// <summary>
    /// Guidance is off below this noise level t / T, in [0, 1]: 0, the default, guides to the end. Guiding only the middle of the way keeps pictures
    /// varied and saves the second pass elsewhere (Kynkäänniemi et al. 2024).
    /// </summary>
    public double GuidanceMinNoise { get; init; }

    /// <summary>Guidance is off above this noise level t / T, not below <see cref="GuidanceMinNoise"/>; 1, the default, guides from the first step on.</summary>
    public double GuidanceMaxNoise { get; init; } = 1;

    /// <summary>What guidance leads away from instead of "no caption": a text of what should not be seen. Empty, the default, for none. Needs a <see cref="GuidanceScale"/> other than 1.</summary>
    public string NegativePrompt { get; init; } = "";

    /// <summary>Streamed answers show a preview of a picture after every so many denoising steps; 0, the default, shows none. Of vectors there are no previews.</summary>
    public int PreviewInterval { get; init; }

    /// <summary>Most text tokens to generate; 64 by default.</summary>
    public int MaxNewTokens { get; init; } = 64;

    /// <summary>Temperature of text sampling; 0, the default, always takes the likeliest token.</summary>
    public double Temperature { get; init; }

    /// <summary>Sample only among this many likeliest tokens; 0, the default, among all.</summary>
    public int TopK { get; init; }

    /// <summary>Sample only among the likeliest tokens that together have this probability, in (0, 1]; 1, the default, among all.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Sample only among tokens that are at least this share as likely as the likeliest, in [0, 1] (Nguyen et al. 2024); 0, the default, among all.</summary>
    public double MinP { get; init; }

    /// <summary>Divides the logits of tokens that the text already has, prompt included, where they are positive, and multiplies them where not (Keskar et al. 2019). 1, the default, for none; 1.2 is usual. Above 0.</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Captions to sample, of which the one that the model itself finds likeliest per token is kept (best of N); 1 by default. More needs a <see cref="Temperature"/> above 0.</summary>
    public int NumberOfCandidates { get; init; } = 1;

    /// <summary>
    /// Pictures to draw of a prompt, of which the one is kept whose caption the model itself finds the prompt likeliest to be (best of N); 1 by default. N times the work.
    /// For prompts of one text; streamed answers draw one. Vectors likewise.
    /// </summary>
    public int NumberOfImageCandidates { get; init; } = 1;

    /// <summary>The seed. One seed and one prompt always give the same result, whatever else is generated beside it.</summary>
    public long Seed { get; init; } = 1;

    /// <param name="prefix">Put before the names of options in messages.</param>
    /// <exception cref="ArgumentException">An option is out of its range, whatever the model.</exception>
    internal void Validate(string prefix = "")
    {
        Require(Enum.IsDefined(Sampler), prefix + nameof(Sampler), Sampler, "a value of DiffusionSamplerType");
        Require(Enum.IsDefined(Spacing), prefix + nameof(Spacing), Spacing, "a value of TimestepSpacing");
        Require(TimestepOffset >= 0, prefix + nameof(TimestepOffset), TimestepOffset, "0 or above");
        Require(Enum.IsDefined(Variance), prefix + nameof(Variance), Variance, "a value of DdpmVariance");
        Require(Eta is >= 0 and <= 1, prefix + nameof(Eta), Eta, "in [0, 1]");
        Require(DpmSolver is not null, prefix + nameof(DpmSolver), "null", "left out to use its default");
        Require(DpmSolver!.Order is >= 1 and <= 3, prefix + "DpmSolver.Order", DpmSolver.Order, "1, 2 or 3");
        Require(!DpmSolver.IsStochastic || DpmSolver.Order < 3, prefix + "DpmSolver.Order", DpmSolver.Order, "1 or 2 with fresh noise; set DpmSolver.IsStochastic to false for order 3");
        Require(Enum.IsDefined(DpmSolver.Type), prefix + "DpmSolver.Type", DpmSolver.Type, "a value of DpmSolverType");
        Require(Enum.IsDefined(DpmSolver.FinalSigma), prefix + "DpmSolver.FinalSigma", DpmSolver.FinalSigma, "a value of DpmSolverFinalSigma");
        Require(double.IsFinite(Shift) && Shift > 0, prefix + nameof(Shift), Shift, "a finite number above 0");
        Require(double.IsFinite(GuidanceScale), prefix + nameof(GuidanceScale), GuidanceScale, "a finite number");
        Require(GuidanceRescale is >= 0 and <= 1, prefix + nameof(GuidanceRescale), GuidanceRescale, "in [0, 1]");
        Require(GuidanceMinNoise is >= 0 and <= 1, prefix + nameof(GuidanceMinNoise), GuidanceMinNoise, "in [0, 1]");
        Require(GuidanceMaxNoise is >= 0 and <= 1 && GuidanceMaxNoise >= GuidanceMinNoise, prefix + nameof(GuidanceMaxNoise), GuidanceMaxNoise, "in [0, 1] and not below GuidanceMinNoise");
        Require(NegativePrompt is not null, prefix + nameof(NegativePrompt), "null", "a text, empty for none");
        Require(NegativePrompt!.Length == 0 || GuidanceScale != 1, prefix + nameof(NegativePrompt), $"'{NegativePrompt}'", "empty where GuidanceScale is 1, which turns guidance off");
        Require(PreviewInterval >= 0, prefix + nameof(PreviewInterval), PreviewInterval, "0 or above");
        Require(MaxNewTokens >= 0, prefix + nameof(MaxNewTokens), MaxNewTokens, "0 or above");
        Require(double.IsFinite(Temperature) && Temperature >= 0, prefix + nameof(Temperature), Temperature, "a finite number, 0 or above");
        Require(TopK >= 0, prefix + nameof(TopK), TopK, "0 or above");
        Require(TopP is > 0 and <= 1, prefix + nameof(TopP), TopP, "above 0 and at most 1");
        Require(MinP is >= 0 and <= 1, prefix + nameof(MinP), MinP, "in [0, 1]");
        Require(double.IsFinite(RepetitionPenalty) && RepetitionPenalty > 0, prefix + nameof(RepetitionPenalty), RepetitionPenalty, "a finite number above 0");
        Require(NumberOfCandidates >= 1, prefix + nameof(NumberOfCandidates), NumberOfCandidates, "1 or above");
        Require(NumberOfCandidates == 1 || Temperature > 0, prefix + nameof(NumberOfCandidates), NumberOfCandidates, "1 at Temperature 0, where all candidates are the same");
        Require(NumberOfImageCandidates >= 1, prefix + nameof(NumberOfImageCandidates), NumberOfImageCandidates, "1 or above");
    }

    /// <summary>The sampler that these options mean for a model.</summary>
    /// <exception cref="ArgumentException">They are not for such a model.</exception>
    internal DiffusionSamplerType RequireFit(DiffusionConfig model, string prefix = "")
    {
        bool flows = model.Objective == DiffusionObjective.FlowMatching;
        DiffusionSamplerType own = flows ? DiffusionSamplerType.Euler : DiffusionSamplerType.DpmSolver, sampler = Sampler == DiffusionSamplerType.Auto ? own : Sampler;
        int total = model.NumberOfTrainTimesteps, steps = NumberOfInferenceSteps;
        Require(steps >= 1 && steps <= total, prefix + nameof(NumberOfInferenceSteps), steps, $"in 1…{total}, the model's NumberOfTrainTimesteps");
        Require(flows == (sampler == DiffusionSamplerType.Euler), prefix + nameof(Sampler), sampler,
            $"Auto or {(flows ? "Euler" : "DpmSolver, Ddim or Ddpm")} for a model that was trained with the objective {model.Objective}");
        Require(!flows || Spacing != TimestepSpacing.Leading, prefix + nameof(Spacing), Spacing, "Trailing or Linspace for flow matching, which starts at pure noise");
        int points = sampler == DiffusionSamplerType.DpmSolver && steps < total ? steps + 1 : steps, room = total - 1 - (points - 1) * (total / points);
        Require(Spacing != TimestepSpacing.Leading || TimestepOffset <= room, prefix + nameof(TimestepOffset), TimestepOffset,
            $"in 0…{room} with {steps} steps, to stay below the model's {total} timesteps");
        return sampler;
    }

    private static void Require(bool holds, string option, object value, string needed)
    {
        if (!holds)
            throw new ArgumentOutOfRangeException(option, value, $"{option} is {value}; it must be {needed}.");
    }
}
