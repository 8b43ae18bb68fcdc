// The size of the transformer. Presets carry the paper's sizes (Transfusion, Table 2) and three that train on a CPU.
namespace Microsoft.ML.Transfusion;

/// <summary>The size and shape of the Llama-style transformer. Immutable: derive with <c>TransformerConfig.Tiny with { … }</c>.</summary>
public sealed record TransformerConfig
{
    /// <summary>Width of the residual stream, d_model. A multiple of <see cref="NumberOfHeads"/> such that heads have an even size, unless <see cref="AttentionHeadSize"/> says that size.</summary>
    public int HiddenSize { get; init; } = 128;

    /// <summary>Number of transformer blocks, at least 1.</summary>
    public int NumberOfLayers { get; init; } = 4;

    /// <summary>Number of query heads.</summary>
    public int NumberOfHeads { get; init; } = 4;

    /// <summary>Number of key and value heads (grouped-query attention); a divisor of <see cref="NumberOfHeads"/>. Null, the default, means one per query head.</summary>
    public int? NumberOfKeyValueHeads { get; init; }

    /// <summary>Values in one head, an even number. Null, the default, means <see cref="HiddenSize"/> / <see cref="NumberOfHeads"/>; some Llama checkpoints have another.</summary>
    public int? AttentionHeadSize { get; init; }

    /// <summary>Width of the SwiGLU feed-forward layer. Null, the default, means 8/3 of <see cref="HiddenSize"/>, rounded up to a multiple of 32, as Llama has it.</summary>
    public int? FeedForwardSize { get; init; }

    /// <summary>Longest sequence in positions: text tokens, special tokens and image patches together. The paper trains with 4096.</summary>
    public int MaxSequenceLength { get; init; } = 4096;

    /// <summary>Base of the rotary position embedding's wavelengths; Llama's 10,000 by default.</summary>
    public double RopeTheta { get; init; } = 10000;

    /// <summary>How rotary positions are stretched for a context longer than the one they were first trained with, as in Llama 3.1. Null, the default, for no stretching.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>Added to the mean square inside RMSNorm; 1e-5 by default.</summary>
    public double NormEpsilon { get; init; } = 1e-5;

    /// <summary>Whether every patch has a learned position vector beside its rotary position. The paper has none; a small model that trains for minutes learns the picture's two dimensions sooner with it.</summary>
    public bool LearnedPatchPositions { get; init; }

    /// <summary>Whether a patch sees only the patches before it, as words do. Off by default, as in the paper's Transfusion, where all patches of an image see each other (§3); its Table 5 has what that is worth.</summary>
    public bool CausalImages { get; init; }

    /// <summary>Whether queries and keys are normalized per head before attention (the Chameleon recipe's QK-norm); off in the paper's Transfusion.</summary>
    public bool QueryKeyNorm { get; init; }

    /// <summary>Whether blocks normalize what attention and feed-forward layers give, before it joins the residual stream, instead of what they take (Swin's order, which the Chameleon recipe takes for stability); off in the paper's Transfusion.</summary>
    public bool PostNorm { get; init; }

    /// <summary>Whether one matrix both embeds tokens and gives the language logits, as in Llama 3.2's small models; off by default, as in the paper's.</summary>
    public bool TiedEmbeddings { get; init; }

    /// <summary>0.9 M parameters: minutes on two CPU cores, 32×32 pictures.</summary>
    public static TransformerConfig Tiny => new() { HiddenSize = 128, NumberOfLayers = 4, NumberOfHeads = 4, MaxSequenceLength = 512, LearnedPatchPositions = true };

    /// <summary>6 M parameters: an hour on a desktop CPU.</summary>
    public static TransformerConfig Mini => new() { HiddenSize = 256, NumberOfLayers = 8, NumberOfHeads = 4, MaxSequenceLength = 1024, LearnedPatchPositions = true };

    /// <summary>30 M parameters: a night on a desktop CPU, minutes on a GPU.</summary>
    public static TransformerConfig Small => new() { HiddenSize = 512, NumberOfLayers = 10, NumberOfHeads = 8, MaxSequenceLength = 2048, LearnedPatchPositions = true };

    /// <summary>The paper's 0.16B model (Table 2).</summary>
    public static TransformerConfig Paper016B => new() { HiddenSize = 768, NumberOfLayers = 16, NumberOfHeads = 12 };

    /// <summary>The paper's 0.37B model (Table 2).</summary>
    public static TransformerConfig Paper037B => new() { HiddenSize = 1024, NumberOfLayers = 24, NumberOfHeads = 16 };

    /// <summary>The paper's 0.76B model (Table 2), the one of its ablations.</summary>
    public static TransformerConfig Paper076B => new() { HiddenSize = 1536, NumberOfLayers = 24, NumberOfHeads = 24 };

    /// <summary>The paper's 1.4B model (Table 2).</summary>
    public static TransformerConfig Paper14B => new() { HiddenSize = 2048, NumberOfLayers = 24, NumberOfHeads = 16 };

    /// <summary>The paper's 7B model (Table 2).</summary>
    public static TransformerConfig Paper7B => new() { HiddenSize = 4096, NumberOfLayers = 32, NumberOfHeads = 32 };

    /// <summary>
    /// The size that makes the most of so many floating-point operations of training (<see cref="FlopCount.Training"/>, over all documents seen): too small a model has learned what it can, too
    /// large a one sees too little. Weights of the blocks grow as a power of the operations, fitted on small models of captioned shapes (docs/experiments.md); from the sizes tried there on it is a suggestion.
    /// </summary>
    /// <param name="trainingFlops">Above 0.</param>
    /// <returns>A member of the family of <see cref="Tiny"/>: heads of 32 values, a layer for every 32 of width.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The number is not positive and finite.</exception>
    public static TransformerConfig ForBudget(double trainingFlops)
    {
        if (!(trainingFlops > 0 && double.IsFinite(trainingFlops)))
            throw new ArgumentOutOfRangeException(nameof(trainingFlops), trainingFlops, "The budget must be a positive number of floating-point operations.");
        const double Weights = 1.5e5, At = 5.7e12, Exponent = 0.5;
        double best = Weights * Math.Pow(trainingFlops / At, Exponent), perLayer = 12.0 * HeadWidth * HeadWidth;
        int layers = Math.Max(1, (int)Math.Round(Math.Cbrt(best / perLayer)));            // weights of the blocks: 12 · (32 · layers)² · layers
        return Tiny with { HiddenSize = HeadWidth * layers, NumberOfLayers = layers, NumberOfHeads = layers };
    }

    private const int HeadWidth = 32;

    internal int HeadSize => AttentionHeadSize ?? HiddenSize / NumberOfHeads;

    internal int KeyValueHeads => NumberOfKeyValueHeads ?? NumberOfHeads;

    internal int FeedForward => FeedForwardSize ?? (8 * HiddenSize / 3 + 31) / 32 * 32;
}
