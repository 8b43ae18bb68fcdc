// The five tokens that are not text. They follow the tokenizer's own ids unless the vocabulary brings its own.
namespace Microsoft.ML.Transfusion.Sequences;

internal sealed record SpecialTokens(int Padding, int BeginOfSequence, int EndOfSequence, int BeginOfImage, int EndOfImage)
{
    /// <summary>Five new ids after a vocabulary's own.</summary>
    public static SpecialTokens After(int vocabularySize) =>
        new(vocabularySize, vocabularySize + 1, vocabularySize + 2, vocabularySize + 3, vocabularySize + 4);
}
