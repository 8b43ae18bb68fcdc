// Byte-pair encoding (Sennrich et al. 2016) over bytes: start from the 256 bytes and join the most frequent neighbours, again and again.
// Only words that hold the joined pair are counted anew, so the time goes with the number of different words, not with the text's length.
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Transfusion.Tokenization;

/// <param name="Tokens">The tokens in <see cref="ByteSymbols"/>; a token's place is its id.</param>
/// <param name="Merges">Pairs of tokens to join, most important first.</param>
internal sealed record BpeVocabulary(IReadOnlyList<string> Tokens, IReadOnlyList<(string Left, string Right)> Merges);

internal sealed class BpeVocabularyTrainer
{
    private const int SmallestCount = 2;                           // a pair that occurs once shortens nothing but itself
    private const int MostWords = 1 << 20;                         // different ones, in memory while they are counted

    private readonly List<Word> _words;
    private readonly Dictionary<(int Left, int Right), Pair> _pairs = [];
    private readonly PriorityQueue<(int Left, int Right), (long, int, int)> _queue = new();
    private readonly HashSet<(int Left, int Right)> _changed = [];

    private BpeVocabularyTrainer(List<Word> words)
    {
        _words = words;
        for (int word = 0; word < words.Count; word++)
            Count(word, +1);
        EnqueueChanged();
    }

    /// <summary>Learns a vocabulary of at most <paramref name="vocabularySize"/> tokens, the 256 bytes included. The same texts give the same vocabulary, in any order.</summary>
    /// <param name="texts">Gone through once.</param>
    /// <param name="vocabularySize">Tokens at most.</param>
    /// <param name="mostWords">Different words that are counted; texts with more of them lose their rarest on the way, and then their order matters.</param>
    public static BpeVocabulary Train(IEnumerable<string> texts, int vocabularySize, int mostWords = MostWords)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, ByteSymbols.Count);
        return new BpeVocabularyTrainer(CountWords(texts, mostWords)).Merge(vocabularySize);
    }

    private static List<Word> CountWords(IEnumerable<string> texts, int mostWords)
    {
        Regex pattern = PreTokenizationPattern.Of(PreTokenization.Gpt2);
        Dictionary<string, long> counts = new(StringComparer.Ordinal);
        var bySpan = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (string text in texts)
        {
            foreach (ValueMatch match in pattern.EnumerateMatches(text))
                CollectionsMarshal.GetValueRefOrAddDefault(bySpan, text.AsSpan(match.Index, match.Length), out _)++;
            if (counts.Count > mostWords)
                DropRarest(counts, keep: mostWords / 2);
        }
        return [.. counts.Select(pair => new Word([.. Encoding.UTF8.GetBytes(pair.Key)], pair.Value))];
    }

    private static void DropRarest(Dictionary<string, long> counts, int keep)
    {
        for (long rare = 1; counts.Count > keep; rare++)
            foreach ((string word, long count) in counts)
                if (count <= rare)
                    counts.Remove(word);
    }

    private BpeVocabulary Merge(int vocabularySize)
    {
        List<string> tokens = [.. Enumerable.Range(0, ByteSymbols.Count).Select(value => ByteSymbols.Of((byte)value))];
        Dictionary<string, int> ids = tokens.Select((token, id) => (token, id)).ToDictionary(pair => pair.token, pair => pair.id, StringComparer.Ordinal);
        List<(string, string)> merges = [];
        while (tokens.Count < vocabularySize && _queue.TryDequeue(out var pair, out (long NegativeCount, int, int) priority))
        {
            if (!_pairs.TryGetValue(pair, out Pair? found) || found.Count != -priority.NegativeCount)
                continue;                                          // counted anew since, and queued again then
            string token = tokens[pair.Left] + tokens[pair.Right];
            if (!ids.TryGetValue(token, out int id))               // known: two ways to build one token, such as a·bc and ab·c
            {
                id = tokens.Count;
                ids.Add(token, id);
                tokens.Add(token);
            }
            merges.Add((tokens[pair.Left], tokens[pair.Right]));
            foreach (int word in found.Words.ToArray())
                Join(word, pair, id);
            _pairs.Remove(pair);
            EnqueueChanged();
        }
        return new BpeVocabulary(tokens, merges);
    }

    private void Join(int word, (int Left, int Right) pair, int id)
    {
        Count(word, -1);
        List<int> ids = _words[word].Ids;
        int length = 0;
        for (int i = 0; i < ids.Count; i++)
        {
            bool joins = i + 1 < ids.Count && ids[i] == pair.Left && ids[i + 1] == pair.Right;
            ids[length++] = joins ? id : ids[i];
            i += joins ? 1 : 0;
        }
        ids.RemoveRange(length, ids.Count - length);
        Count(word, +1);
    }

    private void Count(int word, int sign)
    {
        (List<int> ids, long count) = _words[word];
        for (int i = 0; i + 1 < ids.Count; i++)
        {
            (int, int) key = (ids[i], ids[i + 1]);
            Pair pair = CollectionsMarshal.GetValueRefOrAddDefault(_pairs, key, out _) ??= new Pair();
            pair.Count += sign * count;
            pair.Words.Add(word);                                  // stays when the pair leaves the word: joining it there then changes nothing
            _changed.Add(key);
        }
    }

    /// <summary>Most frequent first; among equals the pair of the older tokens, so that nothing depends on the order of a hash table.</summary>
    private void EnqueueChanged()
    {
        foreach ((int Left, int Right) key in _changed)
        {
            if (_pairs.TryGetValue(key, out Pair? pair) && pair.Count >= SmallestCount)
                _queue.Enqueue(key, (-pair.Count, key.Left, key.Right));
        }
        _changed.Clear();
    }

    private sealed record Word(List<int> Ids, long Count);

    private sealed class Pair
    {
        public long Count { get; set; }

        public HashSet<int> Words { get; } = [];
    }
}
