// Ids of the original SentencePiece (0.2.0) for a hundred texts; sentencepiece.json beside the models has them.
using System.Text.Json;
using Microsoft.ML.Transfusion.Tokenization;

namespace Microsoft.ML.Transfusion.Tests.Tokenization;

public class SentencePieceVocabularyTests
{
    private static readonly string? Folder = FindFixtures();

    [SkippableTheory]
    [InlineData("spm_bpe_llama", "<image>")]                  // pieces that a user defined are read as ordinary text
    [InlineData("spm_unigram_nmt", null)]
    public void Encode_gives_the_ids_of_the_original(string model, string? exception)
    {
        (string[] texts, int[][] expected, string[] decoded, TextTokenizer tokenizer) = Load(model);
        for (int i = 0; i < texts.Length; i++)
        {
            if (exception is not null && texts[i].Contains(exception, StringComparison.Ordinal))
                continue;
            Assert.Equal(expected[i], tokenizer.Encode(texts[i]));
            if (!decoded[i].Contains('\u2047'))                    // ⁇ is how the original writes an unknown character
                Assert.Equal(decoded[i], tokenizer.Decode(tokenizer.Encode(texts[i])));
        }
    }

    [SkippableFact]
    public void Encode_of_a_normalizing_bpe_model_agrees_where_there_is_nothing_to_normalize()
    {
        (string[] texts, int[][] expected, _, TextTokenizer tokenizer) = Load("spm_bpe_nmt");
        int agreeing = 0;
        for (int i = 0; i < texts.Length; i++)
        {
            int[] ids = tokenizer.Encode(texts[i]);
            bool plain = texts[i].All(character => character is >= ' ' and <= '~');
            if (plain)
                Assert.Equal(expected[i], ids);
            agreeing += plain ? 1 : 0;
        }
        Assert.True(agreeing > 60);
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
