using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Transfusion.Tokenization;

namespace Microsoft.ML.Transfusion.Tests.Tokenization;

public class TokenizerJsonTests
{
    private static readonly string[] Texts =
        ["a cat on a mat", "  two  cats, 1234 mats\r\n\r\n", "It's 12.5 o'clock", "Straße — 東京 🎈", "", " ", "x 1  2   3 end ", "tabs\tand\n\n new lines \n"];

    [Theory]
    [InlineData("Gpt2")]
    [InlineData("Gpt2Digits")]
    [InlineData("Cl100k")]
    public void Read_gives_the_ids_of_the_vocabulary_that_Write_was_given(string pattern)
    {
        PreTokenization preTokenization = Enum.Parse<PreTokenization>(pattern);
        (byte[] vocabulary, byte[] merges) = Trained();
        TextTokenizer expected = TextTokenizer.FromVocabularyAndMerges(vocabulary, merges, preTokenization);

        TextTokenizer read = TokenizerJson.Read(TokenizerJson.Write(vocabulary, merges, preTokenization, [("<|end|>", 1000)]));

        Assert.Equal(preTokenization, read.Pattern);
        foreach (string text in Texts)
        {
            Assert.Equal(expected.Encode(text), read.Encode(text));
            Assert.Equal(text, read.Decode(read.Encode(text)));
        }
    }

    [Fact]
    public void Digits_stand_alone_where_the_file_says_so_and_spaces_stay_with_what_follows_them()
    {
        (byte[] vocabulary, byte[] merges) = ByteLevelBpe.Save(BpeVocabularyTrainer.Train([.. Enumerable.Repeat("in 1234 and 1234", 20)], 300));
        TextTokenizer together = TextTokenizer.FromVocabularyAndMerges(vocabulary, merges), apart = TextTokenizer.FromVocabularyAndMerges(vocabulary, merges, PreTokenization.Gpt2Digits);

        Assert.True(together.Encode("1234").Length < 4);
        Assert.Equal(["1", "2", "3", "4"], apart.Encode("1234").Select(id => apart.Decode([id])));
        Assert.Equal(["  ", "1", " and"], Pieces("  1 and"));
        Assert.Equal([" ", " and"], Pieces("  and"));

        static string[] Pieces(string text) => [.. PreTokenizationPattern.Of(PreTokenization.Gpt2Digits).Matches(text).Select(match => match.Value)];
    }

    [Fact]
    public void A_word_that_is_a_token_needs_no_merges_where_the_file_ignores_them()
    {
        JsonNode json = Written();
        json["model"]!["ignore_merges"] = true;
        JsonObject vocabulary = json["model"]!["vocab"]!.AsObject();
        int added = vocabulary.Count;
        vocabulary["Ġwholeword"] = added;                                              // no merges lead to it

        TextTokenizer read = Read(json);

        Assert.Equal([added], read.Encode(" wholeword"));
        foreach (string text in Texts)
            Assert.Equal(text, read.Decode(read.Encode(text)));
    }

    [Fact]
    public void Special_tokens_of_the_file_are_never_the_ids_of_a_text()
    {
        JsonNode json = Written();
        int id = json["model"]!["vocab"]!.AsObject().Count;
        json["model"]!["vocab"]!["<|end|>"] = id;

        TextTokenizer read = Read(json).For(new TokenTable(id + 1) { EndOfSequence = id });

        Assert.Equal(id, read.SpecialTokens.EndOfSequence);
        Assert.Equal(id + 1, read.SpecialTokens.Padding);
        Assert.DoesNotContain(id, read.Encode("<|end|>"));
        Assert.Equal("a cat", read.Decode([.. read.Encode("a cat"), id]));
    }

    [Fact]
    public void Merges_are_read_as_pairs_too()
    {
        JsonNode json = Written();
        int[] expected = Read(json).Encode("a cat on a mat");
        json["model"]!["merges"] = new JsonArray([.. json["model"]!["merges"]!.AsArray().Select(merge => new JsonArray([.. ((string)merge!).Split(' ').Select(part => JsonValue.Create(part))]))]);

        Assert.Equal(expected, Read(json).Encode("a cat on a mat"));
    }

    [Theory]
    [InlineData("model", "type", "\"Unigram\"")]
    [InlineData("model", "byte_fallback", "true")]
    [InlineData("", "normalizer", "{ \"type\": \"NFC\" }")]
    [InlineData("", "pre_tokenizer", "{ \"type\": \"Metaspace\" }")]
    [InlineData("pre_tokenizer", "add_prefix_space", "true")]
    [InlineData("model", "end_of_word_suffix", "\"</w>\"")]
    public void What_would_give_other_ids_is_refused_by_name(string part, string key, string value)
    {
        JsonNode json = Written();
        (part.Length == 0 ? json : json[part]!)[key] = JsonNode.Parse(value);

        string message = Assert.Throws<FormatException>(() => Read(json)).Message;

        Assert.Contains($"\"{key}\"", message);
        Assert.Contains("tokenizer.model", message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"model\":{\"type\":\"BPE\"}}")]
    public void What_is_no_tokenizer_json_is_refused(string contents) =>
        Assert.Throws<FormatException>(() => TokenizerJson.Read(Encoding.UTF8.GetBytes(contents)));

    private static (byte[] Vocabulary, byte[] Merges) Trained() => ByteLevelBpe.Save(BpeVocabularyTrainer.Train([.. Enumerable.Repeat("a cat on a mat and 12 cats on 1234 mats", 5)], 290));

    private static JsonNode Written()
    {
        (byte[] vocabulary, byte[] merges) = Trained();
        return JsonNode.Parse(TokenizerJson.Write(vocabulary, merges, PreTokenization.Gpt2, [("<|end|>", 1000)]))!;
    }

    private static TextTokenizer Read(JsonNode json) => TokenizerJson.Read(JsonSerializer.SerializeToUtf8Bytes(json));
}
