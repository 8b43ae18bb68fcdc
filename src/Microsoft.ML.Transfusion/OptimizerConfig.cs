// How the weights are moved. Defaults suit a model that trains for minutes; the paper's values are named where they differ.
namespace Microsoft.ML.Transfusion;

/// <summary>The rule that moves the blocks' weight matrices. Everything else is always moved by AdamW.</summary>
public enum OptimizerType
{
    /// <summary>AdamW (Loshchilov and Hutter 2019); the paper's.</summary>
    AdamW,

    /// <summary>Muon (Jordan et al. 2024): orthogonalized momentum; fewer steps to the same loss, each a little dearer.</summary>
    Muon,
}

/// <summary>The optimizer, its learning-rate schedule and the averaging of weights. Immutable.</summary>
public sealed record OptimizerConfig
{
    /// <summary>For models that train for minutes: Muon on the blocks' matrices, which needs far fewer steps than AdamW there (docs/log.md).</summary>
    public static OptimizerConfig Minutes => new() { Type = OptimizerType.Muon, BatchSize = 16 };

    /// <summary>The paper's AdamW (Transfusion §4.1): a peak of 3e-4 after 4000 steps, and no averaging of weights. For runs of many thousand steps on large batches.</summary>
    public static OptimizerConfig Paper => new() { LearningRate = 3e-4, WarmupSteps = 4000, EmaDecay = 0 };

    /// <summary>The rule for weight matrices; <see cref="OptimizerType.AdamW"/> by default.</summary>
    public OptimizerType Type { get; init; } = OptimizerType.AdamW;

    /// <summary>Peak learning rate; 2e-3 by default (the paper's large models: 3e-4).</summary>
    public double LearningRate { get; init; } = 2e-3;

    /// <summary>Learning rate at the end of the cosine, as a share of the peak; 0.05 by default, the paper's ratio.</summary>
    public double FinalLearningRateRatio { get; init; } = 0.05;

    /// <summary>Steps over which the learning rate rises from 0 to its peak; 100 by default (the paper: 4000).</summary>
    public int WarmupSteps { get; init; } = 100;

    /// <summary>Documents in one step; 32 by default.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Decay of AdamW's first moment; 0.9.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of AdamW's second moment; 0.95.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>Added to the root of AdamW's second moment; 1e-8.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay; 0.1.</summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary>The gradient's norm is clipped to this; 1.</summary>
    public double MaxGradientNorm { get; init; } = 1;

    /// <summary>Weight of the z-loss: the squared logarithm of the softmax's denominator, mean over the tokens that are learned, which keeps logits from drifting (PaLM; 1e-5 in the Chameleon recipe). At least 0; 0, the default, leaves it out, as the paper's Transfusion does.</summary>
    public double ZLossWeight { get; init; }

    /// <summary>Decay of the exponential moving average of the weights, which the finished model uses; 0.998 by default, 0 to use the last weights.</summary>
    public double EmaDecay { get; init; } = 0.998;
}
