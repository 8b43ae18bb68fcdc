// The questions, one table each. Every run is Tiny or near it, and differs from the others in what its table asks alone.
using Microsoft.ML.Transfusion;

namespace Experiments;

/// <param name="data">"shapes", or a folder of captioned pictures.</param>
/// <param name="steps">Of every run that is compared on equal data.</param>
internal sealed class Suite(string data, int steps)
{
    // Heads of 32 values; the third is Tiny.
    private static readonly (int HiddenSize, int Layers)[] Sizes = [(64, 2), (96, 3), (128, 4), (160, 5)];

    private Experiment Base => new() { Data = data, Steps = steps };

    public ExperimentTable Attention
    {
        get
        {
            Arm[] arms =
            [
                .. from encoder in (PatchEncoding[])[PatchEncoding.Linear, PatchEncoding.UNet]
                   from causal in (bool[])[true, false]
                   select new Arm($"{Name(encoder)}, {(causal ? "causal" : "bidirectional")}", Base with { Encoder = encoder, PatchSize = 4, CausalImages = causal }),
            ];
            return new("attention", "Attention among the patches of an image, and what patches pass",
                "64 patches of 4×4. The paper's Table 5 (0.76B, 256 patches): linear, causal to bidirectional, CIDEr 12.7 to 16.0 and FID 61.3 to 20.3; U-Net 23.3 to 25.4 and 16.8 to 16.7.",
                arms, [Metric.CaptionLoss, Metric.PictureLoss, Metric.Captions, Metric.Drawn],
                [new("bidirectional over causal, linear", arms[1], arms[0]), new("bidirectional over causal, U-Net", arms[3], arms[2])]);
        }
    }

    public ExperimentTable Patches
    {
        get
        {
            Arm Arm(PatchEncoding encoder, int size) => new($"{Name(encoder)}, {ExperimentData.Side / size * (ExperimentData.Side / size)} of {size}×{size}", Base with { Encoder = encoder, PatchSize = size });
            Arm[] arms = [Arm(PatchEncoding.Linear, 4), Arm(PatchEncoding.Linear, 8), Arm(PatchEncoding.Linear, 16), Arm(PatchEncoding.UNet, 4), Arm(PatchEncoding.UNet, 8)];
            return new("patches", "Patch size and what patches pass",
                "Equal steps. The paper's Table 6 (0.76B), 64 and 16 patches: linear CIDEr 14.3 and 11.3, FID 25.6 and 43.5; U-Net 29.9 and 29.5, 16.0 and 16.1.",
                arms, [Metric.CaptionLoss, Metric.PictureLoss, Metric.Captions, Metric.Drawn],
                [new("U-Net over linear, 64 patches", arms[3], arms[0]), new("U-Net over linear, 16 patches", arms[4], arms[1])]);
        }
    }

    public ExperimentTable NoiseLimit
    {
        get
        {
            Arm[] arms = [.. new[] { 1000, 500, 200 }.Select(limit => new Arm(limit == 1000 ? "no limit" : $"t ≤ {limit}", Base with { NoiseLimit = limit }))];
            return new("noise-limit", "The noise limit on images that captions follow",
                "The paper's Table 8 (0.76B): CIDEr 25.4 to 29.4 with t ≤ 500, FID 16.7 to 16.5.",
                arms, [Metric.CaptionLoss, Metric.PictureLoss, Metric.Captions, Metric.Drawn],
                [new("t ≤ 500 over no limit", arms[1], arms[0]), new("t ≤ 200 over no limit", arms[2], arms[0])]);
        }
    }

    public ExperimentTable Balance
    {
        get
        {
            Arm[] arms = [.. new double[] { 1, 5, 25 }.Select(weight => new Arm($"λ = {weight}", Base with { DiffusionLossWeight = weight }))];
            return new("balance", "The weight of the diffusion loss", "The paper takes λ = 5, from preliminary runs it does not report.",
                arms, [Metric.CaptionLoss, Metric.PictureLoss, Metric.Captions, Metric.Drawn],
                [new("λ = 5 over 1", arms[1], arms[0]), new("λ = 5 over 25", arms[1], arms[2])]);
        }
    }

    public ExperimentTable TextCost
    {
        get
        {
            Arm[] arms =
            [
                new("text alone", Base with { TextOnly = true, CaptionWeight = 1 }),
                new("text beside patches", Base with { HalfText = true, CaptionWeight = 1, Steps = 2 * steps }),
                new("text beside codes", Base with { HalfText = true, CaptionWeight = 1, Steps = 2 * steps, Objective = ImageObjective.DiscreteTokens }),
            ];
            return new("text-cost", "What pictures cost the text",
                "Every model sees as many captions alone; the joint ones see as many pairs besides, in twice the steps, and every caption weighs the same. The paper's Table 4 (0.76B), perplexity on C4: text alone 10.1, beside patches 10.4; the Chameleon recipe 11.8.",
                arms, [Metric.TextLoss], [new("patches beside text over text alone", arms[1], arms[0]), new("codes beside text over text alone", arms[2], arms[0]), new("codes over patches", arms[2], arms[1])]);
        }
    }

    /// <summary>Both recipes for the FLOPs of the largest budget, in the size that the continuous one makes the most of.</summary>
    public ExperimentTable Recipes
    {
        get
        {
            const double CodesOverPatches = 3.06;           // FLOPs of a step at this size, by the results of the scaling table
            Experiment continuous = Budget.Budgets[^1].Arms.Single(arm => arm.Name == "96×3").Experiment;
            Arm[] arms = [new("continuous", continuous), new("discrete", continuous with { Objective = ImageObjective.DiscreteTokens, Steps = (int)Math.Round(continuous.Steps / CodesOverPatches) })];
            return new("recipes", "Both recipes at equal FLOPs", $"Models of 96×3: {arms[0].Experiment.Steps} steps on patches, {arms[1].Experiment.Steps} on codes.",
                arms, [Metric.CaptionLoss, Metric.Captions, Metric.Drawn], [new("continuous over discrete", arms[0], arms[1])]);
        }
    }

    public ScalingStudy Scaling
    {
        get
        {
            IReadOnlyList<Arm> Arms(ImageObjective objective) =>
                [.. Sizes.Select(size => new Arm($"{(objective == ImageObjective.Diffusion ? "continuous" : "discrete")}, {size.HiddenSize}×{size.Layers}", Base with { Objective = objective, HiddenSize = size.HiddenSize, Layers = size.Layers }))];
            return new(Arms(ImageObjective.Diffusion), Arms(ImageObjective.DiscreteTokens));
        }
    }

    /// <summary>A quarter of what the base takes, as much, and four times as much.</summary>
    public BudgetStudy Budget => BudgetStudy.Of(Base,
        [(0.25, [(32, 1), (64, 2), (96, 3)]), (1, [(32, 1), (64, 2), (96, 3), (128, 4)]), (4, [(64, 2), (96, 3), (128, 4)])]);

    public IEnumerable<ExperimentTable> Tables => [Attention, Patches, NoiseLimit, Balance, TextCost, Recipes];

    private static string Name(PatchEncoding encoder) => encoder == PatchEncoding.Linear ? "linear" : "U-Net";
}
