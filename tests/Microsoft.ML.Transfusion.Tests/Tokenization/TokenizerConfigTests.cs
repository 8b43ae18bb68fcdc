using System.Text;
using System.Text.Json;
using Microsoft.ML.Transfusion.Tokenization;

namespace Microsoft.ML.Transfusion.Tests.Tokenization;

public sealed class TokenizerConfigTests : IDisposable
{
    private static readonly string[] Texts = ["a red cat and a red dog", "the red cat sat, the dog sat", "it's 12 o'clock; the cat's dog isn't red"];

    private readonly string _folder = Directory.CreateTempSubdirectory("tokenizer").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void TrainOnText_trains_on_the_texts()
    {
        TextTokenizer tokenizer = TokenizerConfig.TrainOnText(260).Create(Texts);
        Assert.Equal(265, tokenizer.VocabularySize);
        Assert.Throws<ArgumentOutOfRangeException>(() => TokenizerConfig.TrainOnText(100));
    }

    [Fact]
    public void FromVocabularyAndMerges_and_FromTiktoken_agree_with_the_vocabulary_they_were_written_from()
    {
        TextTokenizer trained = TextTokenizer.Train(Texts, 290);
        string vocabulary = Write("vocab.json", trained.Save()["vocab.json"]);
        string merges = Write("merges.txt", trained.Save()["merges.txt"]);
        string tiktoken = Write("small.tiktoken", ToTiktoken(trained));
        TextTokenizer[] ready =
        [
            TokenizerConfig.FromVocabularyAndMerges(vocabulary, merges).Create(NotRead()),
            TokenizerConfig.FromTiktoken(tiktoken).Create(NotRead()),
        ];
        foreach (TextTokenizer tokenizer in ready.Concat(ready.Select(tokenizer => TextTokenizer.Load(tokenizer.Save()))))
        {
            Assert.Equal(trained.VocabularySize, tokenizer.VocabularySize);
            foreach (string text in Texts.Append("\t new 你好 🙂\r\n"))
            {
                Assert.Equal(trained.Encode(text), tokenizer.Encode(text));
                Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
            }
        }
    }

    [Fact]
    public void FromTiktoken_skips_blank_lines()
    {
        byte[] contents = ToTiktoken(TextTokenizer.Train(Texts, 260));
        string path = Write("blank.tiktoken", [.. Encoding.UTF8.GetBytes("\n"), .. contents, .. Encoding.UTF8.GetBytes("\r\n\n")]);
        Assert.Equal(265, TokenizerConfig.FromTiktoken(path).Create([]).VocabularySize);
    }

    [Fact]
    public void Ready_vocabularies_are_checked_at_once()
    {
        string missing = Path.Combine(_folder, "missing.model");
        Assert.Throws<FileNotFoundException>(() => TokenizerConfig.FromSentencePiece(missing));
        Assert.Throws<FileNotFoundException>(() => TokenizerConfig.FromTiktoken(missing));
        Assert.Throws<FileNotFoundException>(() => TokenizerConfig.FromVocabularyAndMerges(missing, missing));

        TextTokenizer trained = TextTokenizer.Train(Texts, 260);
        string json = Write("vocab.json", trained.Save()["vocab.json"]);
        string merges = Write("merges.txt", trained.Save()["merges.txt"]);
        string tiktoken = Write("a.tiktoken", ToTiktoken(trained));
        string incomplete = Write("b.tiktoken", ToTiktoken(trained)[..500]);
        string empty = Write("empty", []);
        foreach (string path in (string[])[json, merges, tiktoken, empty])
            Assert.StartsWith(path, Assert.Throws<FormatException>(() => TokenizerConfig.FromSentencePiece(path)).Message, StringComparison.Ordinal);
        foreach (string path in (string[])[json, merges, incomplete, empty])
            Assert.StartsWith(path, Assert.Throws<FormatException>(() => TokenizerConfig.FromTiktoken(path)).Message, StringComparison.Ordinal);
        foreach (string path in (string[])[merges, tiktoken, empty])
            Assert.StartsWith(path, Assert.Throws<FormatException>(() => TokenizerConfig.FromVocabularyAndMerges(path, merges)).Message, StringComparison.Ordinal);
    }

    private static IEnumerable<string> NotRead()
    {
        Assert.Fail("A ready vocabulary does not read the texts.");
        yield break;
    }

    /// <summary>The same tokens in tiktoken's form: ranks are ids.</summary>
    private static byte[] ToTiktoken(TextTokenizer trained)
    {
        var bytes = Enumerable.Range(0, 256).ToDictionary(value => ByteSymbols.Of((byte)value)[0], value => (byte)value);
        var ids = JsonSerializer.Deserialize<Dictionary<string, int>>(trained.Save()["vocab.json"])!;
        IEnumerable<string> lines = ids.OrderBy(pair => pair.Value).Select(pair => $"{Convert.ToBase64String([.. pair.Key.Select(symbol => bytes[symbol])])} {pair.Value}\n");
        return Encoding.UTF8.GetBytes(string.Concat(lines));
    }

    private string Write(string name, byte[] contents)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, contents);
        return path;
    }
}
