// What is asked of the generator for one row, before anything is computed.
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Generation;

/// <summary>What may follow a prompt.</summary>
internal enum RowMode
{
    /// <summary>Text until EOS.</summary>
    Text,

    /// <summary>One image, at once.</summary>
    Image,

    /// <summary>Text, and images where the model begins one, until EOS.</summary>
    Mixed,
}

/// <param name="Prompt">What the answer continues; its images are clean. May be empty.</param>
/// <param name="Seed">Of the row's own random numbers.</param>
internal sealed record RowRequest(Document Prompt, RowMode Mode, GenerationOptions Options, ulong Seed)
{
    /// <summary>What guidance leads away from, token ids; null: what training saw where a caption was dropped.</summary>
    public int[]? NegativePrompt { get; init; }

    /// <summary>Where an image starts instead of at pure noise; null: it does not.</summary>
    public ImageStart? Start { get; init; }

    /// <summary>Told about every denoising step, on whichever thread takes it.</summary>
    public Action<DenoisingStep>? Observe { get; init; }

    /// <summary>Ends the row with <see cref="OperationCanceledException"/> before its next token or denoising step.</summary>
    public CancellationToken CancellationToken { get; init; }
}

/// <param name="Latents">A clean image, [C, H, W] on the CPU, in nobody's dispose scope.</param>
/// <param name="Strength">In (0, 1]: how much of the way is taken back to noise; 1 is pure noise.</param>
/// <param name="Mask">1 where the image is drawn anew, 0 where it stays, [1, H, W]; null: all of it is drawn.</param>
internal sealed record ImageStart(Tensor Latents, double Strength, Tensor? Mask);

/// <param name="Step">How many steps are done, from 1 on.</param>
/// <param name="Total">How many there are.</param>
/// <param name="Preview">The clean image that the last prediction implies, [C, H, W]; the receiver disposes it.</param>
internal sealed record DenoisingStep(int Step, int Total, Func<Tensor> Preview);
