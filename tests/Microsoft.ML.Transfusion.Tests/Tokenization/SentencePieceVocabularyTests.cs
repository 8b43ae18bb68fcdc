// SentencePiece models as vocabularies: special tokens, symbols of their own, threads. Golden/ holds ids and texts to the original's.
using System.Text.Json;
using Microsoft.ML.Transfusion.Tokenization;

namespace Microsoft.ML.Transfusion.Tests.Tokenization;

public class SentencePieceVocabularyTests
{
    private static readonly string? Folder = FindFixtures();

    [SkippableFact]
    public void User_defined_symbols_are_one_token_and_come_back()
    {
        TextTokenizer tokenizer = Load("spm_bpe_llama").Tokenizer;
        int[] ids = tokenizer.Encode("A red cat.<image>A dog.");
        Assert.Single(ids, 3);
        Assert.Equal("A red cat.<image>A dog.", tokenizer.Decode(ids));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    public void Damaged_models_are_a_FormatException(int length)
    {
        Assert.Throws<FormatException>(() => SentencePieceVocabulary.Load([.. Enumerable.Range(0, length).Select(i => (byte)(i * 37))]));
    }

    [SkippableFact]
    public void SpecialTokens_are_the_vocabulary_s_own_where_it_has_them()
    {
        TextTokenizer tokenizer = Load("spm_bpe_llama").Tokenizer;
        Assert.Equal(1, tokenizer.SpecialTokens.BeginOfSequence);
        Assert.Equal(2, tokenizer.SpecialTokens.EndOfSequence);
        Assert.Equal(512, tokenizer.SpecialTokens.Padding);
        Assert.Equal(513, tokenizer.SpecialTokens.BeginOfImage);
        Assert.Equal(514, tokenizer.SpecialTokens.EndOfImage);
        Assert.Equal(515, tokenizer.VocabularySize);
        Assert.DoesNotContain(tokenizer.Encode("<s></s>"), id => id is 1 or 2);
        Assert.Equal("a cat", tokenizer.Decode([1, .. tokenizer.Encode("a cat"), 2]));
    }

    [SkippableFact]
    public void Load_gives_identical_ids_and_encodes_on_many_threads()
    {
        (string[] texts, _, _, TextTokenizer tokenizer) = Load("spm_unigram_nmt");
        TextTokenizer loaded = TextTokenizer.Load(tokenizer.Save());
        Assert.Equal(tokenizer.SpecialTokens, loaded.SpecialTokens);
        Parallel.For(0, 1000, i => Assert.Equal(tokenizer.Encode(texts[i % texts.Length]), loaded.Encode(texts[i % texts.Length])));
    }

    private static (string[] Texts, int[][] Ids, string[] Decoded, TextTokenizer Tokenizer) Load(string model)
    {
        Skip.If(Folder is null, "The SentencePiece models of ../shared/fixtures are not on this machine.");
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "sentencepiece.json")));
        JsonElement expected = json.RootElement.GetProperty("models").GetProperty(model);
        return (json.RootElement.GetProperty("tests").Deserialize<string[]>()!, expected.GetProperty("ids").Deserialize<int[][]>()!,
            expected.GetProperty("decoded").Deserialize<string[]>()!, TokenizerConfig.FromSentencePiece(Path.Combine(Folder, model + ".model")).Create([]));
    }

    private static string? FindFixtures()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string candidate = Path.Combine(folder.FullName, "shared", "fixtures");
            if (File.Exists(Path.Combine(candidate, "sentencepiece.json")))
                return candidate;
        }
        return null;
    }
}
