using System.Text;
using Microsoft.ML.Transfusion.Tokenization;

namespace Microsoft.ML.Transfusion.Tests.Tokenization;

public class TextTokenizerTests
{
    private static readonly string[] Captions = [.. Enumerable.Range(0, 50).Select(i => $"a small red circle above a large blue square, number {i}; it's naïve 🙂")];

    private static readonly TextTokenizer Trained = TextTokenizer.Train(Captions, 300);

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("  two  spaces  ")]
    [InlineData("\t\r\n\n \r")]
    [InlineData("\0\u0001\u007f\u0080\u0085\u00ad\u2028\u2029\ufeff\ufffd\uffff")]
    [InlineData("👩‍🚀 𝔘𝔫𝔦 é é 你好，世界")]
    [InlineData("Ġa ▁b <s></s><unk><|endoftext|>")]
    [InlineData("a small red circle\r\nabove\ta large blue square")]
    public void Encode_round_trips(string text) => Assert.Equal(text, Trained.Decode(Trained.Encode(text)));

    [Fact]
    public void Encode_round_trips_random_characters()
    {
        var random = new Random(2);
        for (int round = 0; round < 2000; round++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(20)).Select(_ => RandomRune(random).ToString()));
            Assert.Equal(text, Trained.Decode(Trained.Encode(text)));
        }
    }

    [Fact]
    public void Encode_reads_half_a_surrogate_pair_as_a_replacement_character()
    {
        Assert.Equal("\ufffd", Trained.Decode(Trained.Encode("\ud800")));
        Assert.Equal("a\ufffd\ufffdb", Trained.Decode(Trained.Encode("a\udc00\ud800b")));
        Assert.Equal("🙂\ufffd", Trained.Decode(Trained.Encode("🙂\ud83d")));
    }

    [Fact]
    public void Encode_uses_what_was_learned()
    {
        int[] ids = Trained.Encode(Captions[0]);
        Assert.True(ids.Length < Captions[0].Length / 2, $"{ids.Length} tokens for {Captions[0].Length} characters.");
        Assert.All(ids, id => Assert.InRange(id, 0, Trained.VocabularySize - 6));
        Assert.Throws<ArgumentNullException>(() => Trained.Encode(null!));
    }

    [Fact]
    public void SpecialTokens_follow_the_vocabulary_and_decode_to_nothing()
    {
        Assert.Equal(300 + 5, Trained.VocabularySize);
        var special = Trained.SpecialTokens;
        int[] ids = [special.Padding, special.BeginOfSequence, special.EndOfSequence, special.BeginOfImage, special.EndOfImage];
        Assert.Equal(Enumerable.Range(300, 5), ids);
        Assert.Equal("red", Trained.Decode([special.BeginOfSequence, .. Trained.Encode("red"), special.EndOfSequence, special.Padding, special.BeginOfImage]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Trained.Decode([305]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Trained.Decode([-1]));
    }

    [Fact]
    public void Load_gives_identical_ids()
    {
        TextTokenizer loaded = TextTokenizer.Load(Trained.Save());
        Assert.Equal(Trained.VocabularySize, loaded.VocabularySize);
        Assert.Equal(Trained.SpecialTokens, loaded.SpecialTokens);
        foreach (string text in Captions.Append("something else 你好\n"))
            Assert.Equal(Trained.Encode(text), loaded.Encode(text));
    }

    [Fact]
    public void Load_says_what_is_wrong()
    {
        Assert.Contains("settings.json", Assert.Throws<FormatException>(() => TextTokenizer.Load(new Dictionary<string, byte[]>())).Message);
        Assert.Contains("merges.txt", Assert.Throws<FormatException>(() => TextTokenizer.Load(Without("merges.txt"))).Message);
        Assert.Contains("settings.json", Assert.Throws<FormatException>(() => TextTokenizer.Load(With("settings.json", """{"kind":"morse"}"""))).Message);
        Assert.Contains("settings.json", Assert.Throws<FormatException>(() => TextTokenizer.Load(With("settings.json", "{}"))).Message);
        Assert.Contains("byte-level", Assert.Throws<FormatException>(() => TextTokenizer.Load(With("vocab.json", """{"a":0}"""))).Message);
        Assert.Contains("merges", Assert.Throws<FormatException>(() => TextTokenizer.Load(With("merges.txt", "qq zz\n"))).Message);
    }

    [Fact]
    public void Encode_is_safe_for_many_threads()
    {
        TextTokenizer fresh = TextTokenizer.Load(Trained.Save());
        string[] texts = [.. Enumerable.Range(0, 2000).Select(i => $"{Captions[i % 50]} {i * 7919}")];
        int[][] ids = new int[texts.Length][];
        Parallel.For(0, texts.Length, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i => ids[i] = fresh.Encode(texts[i]));
        for (int i = 0; i < texts.Length; i++)
            Assert.Equal(Trained.Encode(texts[i]), ids[i]);
    }

    private static Rune RandomRune(Random random)
    {
        int limit = random.Next(4) switch { 0 => 0x20, 1 => 0x7f, 2 => 0x3000, _ => 0x110000 };
        while (true)
        {
            if (Rune.TryCreate(random.Next(limit), out Rune rune))
                return rune;
        }
    }

    private static Dictionary<string, byte[]> Without(string name) => Trained.Save().Where(file => file.Key != name).ToDictionary();

    private static Dictionary<string, byte[]> With(string name, string contents) => new(Trained.Save()) { [name] = Encoding.UTF8.GetBytes(contents) };
}
