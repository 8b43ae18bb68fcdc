// Text to ids and back.
using Microsoft.ML.Transfusion.Sequences;

namespace Microsoft.ML.Transfusion.Tokenization;

internal sealed class TextTokenizer
{
    /// <summary>Number of ids, special tokens included.</summary>
    public int VocabularySize => throw new NotImplementedException();

    /// <summary>The five special tokens of this vocabulary.</summary>
    public SpecialTokens SpecialTokens => throw new NotImplementedException();

    /// <summary>Text to ids, without special tokens.</summary>
    public int[] Encode(string text) => throw new NotImplementedException();

    /// <summary>Ids back to text; special tokens are left out.</summary>
    public string Decode(IEnumerable<int> tokenIds) => throw new NotImplementedException();

    /// <summary>The files that make this tokenizer again: name → contents. Saved inside the model.</summary>
    public IReadOnlyDictionary<string, byte[]> Save() => throw new NotImplementedException();

    /// <summary>The way back from <see cref="Save"/>.</summary>
    public static TextTokenizer Load(IReadOnlyDictionary<string, byte[]> files) => throw new NotImplementedException();
}
