// A tiktoken file: a line for each token, base64 of its bytes and its rank, which is its id.
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Microsoft.ML.Transfusion.Tokenization;

internal static class TiktokenVocabulary
{
    public const string FileName = "vocab.tiktoken";

    /// <summary>The file does not say how text is split; its size tells whose vocabulary it is.</summary>
    public static PreTokenization GuessPreTokenization(byte[] contents) => contents.AsSpan().Count((byte)'\n') switch
    {
        < 100_000 => PreTokenization.Gpt2,
        < 150_000 => PreTokenization.Cl100k,
        _ => PreTokenization.O200k,
    };

    /// <summary>Whether the first line is a base64 token and a rank, which no SentencePiece model begins with.</summary>
    public static bool IsLikely(ReadOnlySpan<byte> contents)
    {
        ReadOnlySpan<byte> line = contents[..Math.Max(0, contents.IndexOf((byte)'\n'))];
        int space = line.IndexOf((byte)' ');
        return space > 0 && Base64.IsValid(line[..space]) && !line[(space + 1)..].ContainsAnyExceptInRange((byte)'0', (byte)'9');
    }

    public static TextVocabulary Load(byte[] contents, PreTokenization preTokenization)
    {
        (string lines, List<int> ranks) = Check(Encoding.UTF8.GetString(contents));
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(lines));
        TiktokenTokenizer tokenizer = TiktokenTokenizer.Create(stream, new RegexPreTokenizer(PreTokenizationPattern.Of(preTokenization), null), null);
        return new TextVocabulary(TextVocabulary.SizeOf(ranks), text => tokenizer.EncodeToIds(text), tokenizer.Decode);
    }

    /// <summary>Leaves out blank lines, on which the tokenizer would read forever, and refuses what is no tiktoken file.</summary>
    private static (string Lines, List<int> Ranks) Check(string text)
    {
        var lines = new StringBuilder(text.Length);
        List<int> ranks = [];
        HashSet<byte> bytes = [];
        Span<byte> token = stackalloc byte[4];
        foreach (ReadOnlySpan<char> line in text.AsSpan().EnumerateLines())
        {
            if (line.IsEmpty)
                continue;
            int space = line.IndexOf(' ');
            if (space <= 0 || !Base64.IsValid(line[..space], out int length) || !int.TryParse(line[(space + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int rank))
                throw new FormatException($"This is not a tiktoken file: line {ranks.Count + 1} is not a base64 token and a rank. "
                    + "For a SentencePiece model use FromSentencePiece, for vocab.json and merges.txt FromVocabularyAndMerges.");
            ranks.Add(rank);
            lines.Append(line).Append('\n');
            if (length == 1 && Convert.TryFromBase64Chars(line[..space], token, out _))
                bytes.Add(token[0]);
        }
        if (bytes.Count != ByteSymbols.Count)
            throw new FormatException($"The tiktoken file has {bytes.Count} of the {ByteSymbols.Count} single bytes, so some texts would be lost. Is it complete?");
        return (lines.ToString(), ranks);
    }
}
