// Floating-point operations of the network's matrix products and convolutions, by part, from the configuration alone.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;

namespace Microsoft.ML.Transfusion;

/// <summary>
/// Floating-point operations of matrix products and convolutions, a multiplication and an addition each counted as one. All else — norms, softmax,
/// activations, the optimizer — is left out, as is usual (6·N·D counts no more, and leaves out attention). Attention counts every pair of positions of a sequence,
/// also those that the mask hides, as is usual too; the kernels for CPUs compute about half of what causal text hides.
/// </summary>
/// <param name="Projections">Of attention: queries, keys, values and output.</param>
/// <param name="Attention">Scores, and the weighted sums of values.</param>
/// <param name="FeedForward">The three products of SwiGLU.</param>
/// <param name="LanguageHead">Logits, where a token is learned or chosen.</param>
/// <param name="PatchLayers">The linear layers around patches, and their timestep's.</param>
/// <param name="UNet">The two halves of the U-Net; 0 without one.</param>
public sealed record FlopCount(double Projections, double Attention, double FeedForward, double LanguageHead, double PatchLayers, double UNet)
{
    /// <summary>All of them.</summary>
    public double Total => Projections + Attention + FeedForward + LanguageHead + PatchLayers + UNet;

    /// <summary>Learning from one document once: the forward pass, and the backward pass's gradients of weights and inputs, which are about twice as much.</summary>
    /// <param name="config">The network.</param>
    /// <param name="vocabularySize">Tokens of the text's vocabulary, special ones included; codes of pictures come on top.</param>
    /// <param name="textTokens">Tokens of the document's texts, without special ones; 0 or more.</param>
    /// <param name="images">Pictures or vectors in the document; 0 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    public static FlopCount Training(TransfusionConfig config, int vocabularySize, int textTokens, int images)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabularySize);
        ArgumentOutOfRangeException.ThrowIfNegative(textTokens);
        ArgumentOutOfRangeException.ThrowIfNegative(images);
        int positions = textTokens + images * (config.Grid.PatchCount + 2) + 2;           // BOS and EOS; BOI and EOI around every image
        int learned = 1 + textTokens + images * (1 + config.CodesPerImage);
        FlopCount forward = Blocks(config.Transformer, positions, positions)
            + None with { LanguageHead = Product(learned, config.Transformer.HiddenSize, vocabularySize + config.NumberOfCodes) };
        return forward.Times(3) + Patches(config, images, backward: true);
    }

    /// <summary>Drawing one picture of a caption: the caption is read once, its keys and values are kept. Pictures of codes take a pass for each code, whatever the number of steps.</summary>
    /// <param name="config">The network.</param>
    /// <param name="vocabularySize">Tokens of the text's vocabulary, special ones included; codes of pictures come on top.</param>
    /// <param name="promptTokens">Tokens of the caption; 0 or more.</param>
    /// <param name="steps">Reverse diffusion steps; at least 1.</param>
    /// <param name="isGuided">Whether there is classifier-free guidance, which computes every step twice.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static FlopCount Drawing(TransfusionConfig config, int vocabularySize, int promptTokens, int steps, bool isGuided)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentOutOfRangeException.ThrowIfNegative(promptTokens);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(steps);
        FlopCount Branch(int tokens)
        {
            int read = tokens + 2, patches = config.Grid.PatchCount;                        // BOS, BOI
            if (config.NumberOfCodes > 0)
                return Tokens(config, vocabularySize, patches, read - 1) + Blocks(config.Transformer, read - 1, read - 1);
            return Blocks(config.Transformer, read, read) + (Blocks(config.Transformer, patches, read + patches) + Patches(config, 1, backward: false)).Times(steps);
        }
        return isGuided ? Branch(promptTokens) + Branch(0) : Branch(promptTokens);
    }

    /// <summary>Captioning one picture: it is read once, then one token comes after the other.</summary>
    /// <param name="config">The network.</param>
    /// <param name="vocabularySize">Tokens of the text's vocabulary, special ones included; codes of pictures come on top.</param>
    /// <param name="captionTokens">Tokens of the caption; 0 or more. Its end is one more.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static FlopCount Captioning(TransfusionConfig config, int vocabularySize, int captionTokens)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabularySize);
        ArgumentOutOfRangeException.ThrowIfNegative(captionTokens);
        int read = config.Grid.PatchCount + 3;                                              // BOS, BOI, EOI
        FlopCount first = None with { LanguageHead = Product(1, config.Transformer.HiddenSize, vocabularySize + config.NumberOfCodes) };
        return Blocks(config.Transformer, read, read) + Reading(config) + first + Tokens(config, vocabularySize, captionTokens, read);
    }

    /// <summary>Part by part.</summary>
    public static FlopCount operator +(FlopCount left, FlopCount right)
    {
        ArgumentNullException.ThrowIfNull(left);
        ArgumentNullException.ThrowIfNull(right);
        return new(left.Projections + right.Projections, left.Attention + right.Attention, left.FeedForward + right.FeedForward,
            left.LanguageHead + right.LanguageHead, left.PatchLayers + right.PatchLayers, left.UNet + right.UNet);
    }

    /// <summary>Every part so many times.</summary>
    public FlopCount Times(double factor) =>
        new(Projections * factor, Attention * factor, FeedForward * factor, LanguageHead * factor, PatchLayers * factor, UNet * factor);

    private static FlopCount None => new(0, 0, 0, 0, 0, 0);

    private static double Product(double rows, double inputs, double outputs) => 2 * rows * inputs * outputs;

    /// <summary>The forward pass of positions that attend to so many, themselves included.</summary>
    private static FlopCount Blocks(TransformerConfig transformer, double positions, double attended)
    {
        int width = transformer.HiddenSize, heads = transformer.NumberOfHeads * transformer.HeadSize, layers = transformer.NumberOfLayers;
        return None with
        {
            Projections = layers * (Product(positions, width, heads + 2 * transformer.KeyValueHeads * transformer.HeadSize) + Product(positions, heads, width)),
            Attention = layers * 2 * Product(positions, heads, attended),
            FeedForward = layers * 3 * Product(positions, width, transformer.FeedForward),
        };
    }

    /// <summary>Passes of one token each, after so many positions, and the logits that follow it.</summary>
    private static FlopCount Tokens(TransfusionConfig config, int vocabularySize, int count, int before)
    {
        FlopCount sum = None with { LanguageHead = Product(count, config.Transformer.HiddenSize, vocabularySize + config.NumberOfCodes) };
        for (int token = 0; token < count; token++)
            sum += Blocks(config.Transformer, 1, before + token + 1);
        return sum;
    }

    /// <summary>Images into the transformer and out of it.</summary>
    private static FlopCount Patches(TransfusionConfig config, int images, bool backward)
    {
        if (config.NumberOfCodes > 0)
            return None;
        PatchGrid grid = config.Grid;
        int width = config.Transformer.HiddenSize, times = backward ? 3 : 1;
        double layers = Time(width, grid.PatchVectorSize, backward)
            + times * (Product(grid.PatchCount, grid.PatchVectorSize, width) + Product(grid.PatchCount, width, grid.PatchVectorSize));
        return None with { PatchLayers = images * layers, UNet = config.UNet is { } shape ? images * UNetFlops.Of(shape, down: true, up: true, backward) : 0 };
    }

    /// <summary>A picture into the transformer, to be described.</summary>
    private static FlopCount Reading(TransfusionConfig config) => config.NumberOfCodes > 0 ? None : None with
    {
        PatchLayers = Time(config.Transformer.HiddenSize, config.Grid.PatchVectorSize, backward: false) + Product(config.Grid.PatchCount, config.Grid.PatchVectorSize, config.Transformer.HiddenSize),
        UNet = config.UNet is { } shape ? UNetFlops.Of(shape, down: true, up: false, backward: false) : 0,
    };

    /// <summary>The two layers of a timestep embedding; nobody asks for the gradient of its sinusoids.</summary>
    internal static double Time(int hiddenSize, int outputSize, bool backward) =>
        (backward ? 2 : 1) * Product(1, TimestepEmbedding.DefaultSize, hiddenSize) + (backward ? 3 : 1) * Product(1, hiddenSize, outputSize);
}
