// A training example or prompt before it becomes positions: an ordered list of text and image parts (Transfusion §3).
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Sequences;

internal abstract record DocumentPart;

/// <param name="TokenIds">Ids of the text alone, without special tokens.</param>
internal sealed record TextPart(int[] TokenIds) : DocumentPart;

/// <param name="Latents">Float tensor [C, H, W] on the CPU, in [−1, 1] for pixels; detached from every dispose scope. Float16 is fine for storage.</param>
internal sealed record ImagePart(Tensor Latents) : DocumentPart;

internal sealed record Document(IReadOnlyList<DocumentPart> Parts);
