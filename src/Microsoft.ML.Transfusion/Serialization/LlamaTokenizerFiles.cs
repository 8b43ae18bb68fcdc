// The vocabulary beside Llama weights: which file holds it differs from family to family.
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tokenization;

namespace Microsoft.ML.Transfusion.Serialization;

internal static class LlamaTokenizerFiles
{
    private const string ConfigFile = "tokenizer_config.json";

    /// <summary>Reads tokenizer.model, tokenizer.json, or vocab.json with merges.txt, whichever is there first; null where none is.</summary>
    /// <exception cref="FormatException">The file is there and is of another kind.</exception>
    public static TextTokenizer? Find(string folder)
    {
        byte[]? Read(string name) => File.Exists(Path.Combine(folder, name)) ? File.ReadAllBytes(Path.Combine(folder, name)) : null;
        try
        {
            if (Read(SentencePieceVocabulary.FileName) is { } model)
                return TiktokenVocabulary.IsLikely(model) ? TextTokenizer.FromTiktoken(model) : TextTokenizer.FromSentencePiece(model);
            if (Read(TokenizerJson.FileName) is { } json)
                return TokenizerJson.Read(json);
            return Read(ByteLevelBpe.VocabularyFile) is { } vocabulary && Read(ByteLevelBpe.MergesFile) is { } merges ? TextTokenizer.FromVocabularyAndMerges(vocabulary, merges) : null;
        }
        catch (FormatException exception)
        {
            throw new FormatException($"The vocabulary in {folder} cannot be used: {exception.Message}", exception);
        }
    }

    /// <summary>The files that other programs, and <see cref="Find"/>, know a vocabulary by: name → contents.</summary>
    public static IEnumerable<(string Name, byte[] Contents)> Write(TextTokenizer tokenizer)
    {
        IReadOnlyDictionary<string, byte[]> own = tokenizer.Save();
        SpecialTokens special = tokenizer.SpecialTokens;
        switch (tokenizer.Kind)
        {
            case VocabularyKind.SentencePiece:
                yield return (SentencePieceVocabulary.FileName, own[SentencePieceVocabulary.FileName]);
                yield return (ConfigFile, """{ "tokenizer_class": "LlamaTokenizer" }"""u8.ToArray());
                break;
            case VocabularyKind.Tiktoken:
                yield return (SentencePieceVocabulary.FileName, own[TiktokenVocabulary.FileName]);       // the name that Llama 3 has it by
                break;
            case VocabularyKind.Bpe:
                yield return (TokenizerJson.FileName, TokenizerJson.Write(own[ByteLevelBpe.VocabularyFile], own[ByteLevelBpe.MergesFile], tokenizer.Pattern ?? PreTokenization.Gpt2,
                [
                    ("<|padding|>", special.Padding), ("<|begin_of_text|>", special.BeginOfSequence), ("<|end_of_text|>", special.EndOfSequence),
                    ("<|begin_of_image|>", special.BeginOfImage), ("<|end_of_image|>", special.EndOfImage),
                ]));
                yield return (ConfigFile, """{ "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>", "pad_token": "<|padding|>" }"""u8.ToArray());
                break;
        }
    }
}
