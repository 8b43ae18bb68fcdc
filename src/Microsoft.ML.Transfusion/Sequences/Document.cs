// A training example or prompt before it becomes positions: an ordered list of text and image parts (Transfusion §3).
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Sequences;

internal abstract record DocumentPart;

/// <param name="TokenIds">Ids of the text alone, without special tokens.</param>
internal sealed record TextPart(int[] TokenIds) : DocumentPart;

/// <param name="Read">Gives the latents; stored ones as a new tensor in the caller's dispose scope.</param>
internal sealed record ImagePart(Func<Tensor> Read) : DocumentPart
{
    /// <param name="latents">Detached from every dispose scope.</param>
    public ImagePart(Tensor latents) : this(() => latents)
    {
    }

    /// <summary>Float tensor [C, H, W] on the CPU, in [−1, 1] for pixels.</summary>
    public Tensor Latents => Read();
}

internal sealed record Document(IReadOnlyList<DocumentPart> Parts);
