// Pictures that start from pictures.
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Generation;
using Microsoft.ML.Transfusion.Imaging;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion;

public sealed partial class TransfusionModel
{
    /// <summary>Draws a picture anew: noise is added to it, and taken away as a text says (image to image; Meng et al. 2022).</summary>
    /// <param name="source">A picture of any size; it is fitted to the trained size and stays the caller's.</param>
    /// <param name="prompt">What the new picture should show.</param>
    /// <param name="strength">How much noise, in (0, 1]: at 0.3 little changes, at 1 nothing is left of the source. That share of the steps is taken.</param>
    /// <param name="options">Sampler, steps, guidance and seed; <see cref="GenerationOptions.Fast"/> by default.</param>
    /// <param name="cancellationToken">Honoured within one denoising step.</param>
    /// <returns>A picture of the trained size, the caller's to dispose.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The strength or an option is out of its range.</exception>
    /// <exception cref="InvalidOperationException">The model's pictures are codes, or it was trained on vectors.</exception>
    public MLImage RedrawImage(MLImage source, string prompt, double strength = 0.6, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(prompt);
        if (strength is not (> 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(strength), strength, "The strength must be above 0 and at most 1.");
        if (Config.NumberOfCodes > 0)
            throw new InvalidOperationException($"{nameof(RedrawImage)} takes noise away from a noised picture; this model writes codes ({nameof(ImageObjective)}.{nameof(ImageObjective.DiscreteTokens)}), which are never noised. Use {nameof(InpaintImage)}.");
        using Tensor latents = ToLatents(source), pixels = Edit(prompt, new ImageStart(latents, strength, Mask: null), options, cancellationToken);
        return ImageTensors.ToImage(pixels);
    }

    /// <summary>Draws a part of a picture anew and leaves the rest as it is (inpainting; Lugmayr et al. 2022).</summary>
    /// <param name="source">A picture of any size; it is fitted to the trained size and stays the caller's.</param>
    /// <param name="mask">As large as the source: white where it is drawn anew, black where it stays.</param>
    /// <param name="prompt">What the picture should show, as a whole.</param>
    /// <param name="options">Sampler, steps, guidance and seed; <see cref="GenerationOptions.Fast"/> by default.</param>
    /// <param name="cancellationToken">Honoured within one denoising step.</param>
    /// <returns>A picture of the trained size, the caller's to dispose. Where the mask is black it is the fitted source's.</returns>
    /// <exception cref="ArgumentException">The mask has another size than the source.</exception>
    public MLImage InpaintImage(MLImage source, MLImage mask, string prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(mask);
        ArgumentNullException.ThrowIfNull(prompt);
        if ((mask.Width, mask.Height) != (source.Width, source.Height))
            throw new ArgumentException($"The mask is {mask.Width}×{mask.Height}; it must be as large as the source, {source.Width}×{source.Height}.", nameof(mask));
        using var scope = NewDisposeScope();
        Tensor pixels = ToPixels(source), marked = ToPixels(mask).mean([0], keepdim: true).IsAbove(0.0);                             // [3, H, W] and [1, H, W]
        // A place of the latents is drawn anew if any of its pixels is.
        int factor = Config.Latents?.DownsamplingFactor ?? 1;
        using Tensor places = nn.functional.max_pool2d(marked.to(ScalarType.Float32), factor).DetachFromDisposeScope(), latents = Codec.Encode(pixels).DetachFromDisposeScope();
        return ImageTensors.ToImage(where(marked, Edit(prompt, new ImageStart(latents, Strength: 1, places), options, cancellationToken), pixels));
    }

    /// <summary>Pixels [3, H, W], the caller's.</summary>
    private Tensor Edit(string prompt, ImageStart start, GenerationOptions? options, CancellationToken cancellationToken)
    {
        options ??= GenerationOptions.Fast;
        int[] ids = Tokenizer.Encode(prompt);
        return DrawImages([new Document([new TextPart(ids)])], [RowSeed.Of(options.Seed, ids)], options, cancellationToken, start)[0];
    }
}
