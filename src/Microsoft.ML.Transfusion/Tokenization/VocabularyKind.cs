namespace Microsoft.ML.Transfusion.Tokenization;

/// <summary>The form a vocabulary is kept in.</summary>
internal enum VocabularyKind
{
    Bpe,
    Tiktoken,
    SentencePiece,
}
