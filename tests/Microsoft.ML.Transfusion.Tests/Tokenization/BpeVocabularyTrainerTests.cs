using System.Diagnostics;
using System.Text;
using Microsoft.ML.Transfusion.Tokenization;

namespace Microsoft.ML.Transfusion.Tests.Tokenization;

public class BpeVocabularyTrainerTests
{
    [Fact]
    public void Train_joins_the_most_frequent_neighbours_first()
    {
        BpeVocabulary vocabulary = BpeVocabularyTrainer.Train(["hug hug hug", "pug pug", "hugs"], 300);
        Assert.Equal(("u", "g"), vocabulary.Merges[0]);                        // 6 of them
        Assert.Equal(("h", "ug"), vocabulary.Merges[1]);                       // 4, more than the others
        Assert.Equal("ug", vocabulary.Tokens[256]);
        Assert.Equal("hug", vocabulary.Tokens[257]);
        Assert.DoesNotContain("hugs", vocabulary.Tokens);                      // seen once
    }

    [Fact]
    public void Train_agrees_with_counting_every_pair_anew()
    {
        var random = new Random(5);
        for (int round = 0; round < 20; round++)
        {
            string[] texts = [.. Enumerable.Range(0, 30).Select(_ => RandomText(random, "abcaab é"))];
            BpeVocabulary vocabulary = BpeVocabularyTrainer.Train(texts, 300);
            (List<string> tokens, List<(string, string)> merges) = TrainSlowly(texts, 300);
            Assert.Equal(merges, vocabulary.Merges);
            Assert.Equal(tokens, vocabulary.Tokens);
        }
    }

    [Fact]
    public void Train_does_not_depend_on_the_order_of_the_texts()
    {
        string[] texts = ["a red cat", "the blue dog", "a red dog", "the cat sat", "blue and red", "sat the dog"];
        BpeVocabulary forwards = BpeVocabularyTrainer.Train(texts, 280);
        BpeVocabulary backwards = BpeVocabularyTrainer.Train(texts.Reverse(), 280);
        Assert.Equal(forwards.Merges, backwards.Merges);
        Assert.Equal(forwards.Tokens, backwards.Tokens);
    }

    [Fact]
    public void Train_counts_the_frequent_words_of_texts_with_too_many_different_ones()
    {
        IEnumerable<string> texts = Enumerable.Range(0, 1000).SelectMany(number => (string[])["hug hug", $"{number}"]);

        Assert.Equal(BpeVocabularyTrainer.Train(["hug hug hug"], 259).Merges, BpeVocabularyTrainer.Train(texts, 259, mostWords: 10).Merges);
    }

    [Fact]
    public void Train_stops_when_nothing_repeats()
    {
        Assert.Equal(256, BpeVocabularyTrainer.Train([], 1000).Tokens.Count);
        Assert.Equal(256, BpeVocabularyTrainer.Train(["abc"], 1000).Tokens.Count);
        Assert.Equal(257, BpeVocabularyTrainer.Train(["ab ab"], 257).Tokens.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => BpeVocabularyTrainer.Train([], 255));
    }

    [Fact]
    public void Train_takes_seconds_for_megabytes_of_text()
    {
        var random = new Random(1);
        string[] words = [.. Enumerable.Range(0, 8_000).Select(_ => RandomText(random, "etaoinshrdlucmfw", 12))];
        string[] texts = [.. Enumerable.Range(0, 20_000).Select(_ => string.Join(' ', Enumerable.Range(0, 12).Select(_ => words[random.Next(words.Length)])))];
        var watch = Stopwatch.StartNew();
        Assert.Equal(4096, BpeVocabularyTrainer.Train(texts, 4096).Tokens.Count);
        Assert.True(watch.Elapsed < TimeSpan.FromMinutes(1), $"It took {watch.Elapsed}; half a second is usual on an idle core.");
    }

    private static string RandomText(Random random, string alphabet, int longest = 20) =>
        string.Concat(Enumerable.Range(0, random.Next(1, longest)).Select(_ => alphabet[random.Next(alphabet.Length)]));

    /// <summary>The definition, without any bookkeeping.</summary>
    private static (List<string> Tokens, List<(string, string)> Merges) TrainSlowly(string[] texts, int size)
    {
        List<string> tokens = [.. Enumerable.Range(0, 256).Select(value => ByteSymbols.Of((byte)value))];
        List<(string, string)> merges = [];
        List<List<int>> words = [.. texts
            .SelectMany(text => PreTokenizationPattern.Of(PreTokenization.Gpt2).Matches(text))
            .Select(match => Encoding.UTF8.GetBytes(match.Value).Select(value => (int)value).ToList())];
        while (tokens.Count < size)
        {
            var best = words.SelectMany(word => word.Zip(word.Skip(1))).GroupBy(pair => pair).Where(group => group.Count() > 1)
                .OrderByDescending(group => group.Count()).ThenBy(group => group.Key.First).ThenBy(group => group.Key.Second).FirstOrDefault();
            if (best is null)
                break;
            string token = tokens[best.Key.First] + tokens[best.Key.Second];
            merges.Add((tokens[best.Key.First], tokens[best.Key.Second]));
            if (!tokens.Contains(token))
                tokens.Add(token);
            foreach (List<int> word in words)
            {
                for (int i = 0; i + 1 < word.Count; i++)
                {
                    if ((word[i], word[i + 1]) == best.Key)
                    {
                        word[i] = tokens.IndexOf(token);
                        word.RemoveAt(i + 1);
                    }
                }
            }
        }
        return (tokens, merges);
    }
}
