// The five tokens that are not text. They follow the tokenizer's own ids unless the vocabulary brings its own.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Sequences;

internal sealed record SpecialTokens(int Padding, int BeginOfSequence, int EndOfSequence, int BeginOfImage, int EndOfImage)
{
    /// <summary>The id of a picture's first code; ids below it are text's. The largest number where pictures have no codes.</summary>
    public int FirstCode { get; init; } = int.MaxValue;

    /// <summary>An image of codes [1, H, W] as tokens, in raster order.</summary>
    public int[] Codes(Tensor latents)
    {
        using var scope = NewDisposeScope();
        return Codes(latents.contiguous().data<float>().ToArray());
    }

    /// <summary>Codes as tokens.</summary>
    public int[] Codes(float[] codes) => [.. codes.Select(code => FirstCode + (int)code)];

    /// <summary>Five new ids after a vocabulary's own.</summary>
    public static SpecialTokens After(int vocabularySize) =>
        new(vocabularySize, vocabularySize + 1, vocabularySize + 2, vocabularySize + 3, vocabularySize + 4);
}
