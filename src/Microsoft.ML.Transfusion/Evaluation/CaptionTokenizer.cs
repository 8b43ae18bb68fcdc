// Cuts captions into words as coco-caption does before it scores them: the rules of the Penn Treebank tokenizer (Stanford's PTBTokenizer with
// -lowerCase), of which the listed punctuation is then dropped. Text that is cut already comes out unchanged. Written from the documented
// rules; British spellings stay British, and smileys and mark-up are cut like other punctuation.
using System.Text.RegularExpressions;

namespace Microsoft.ML.Transfusion.Evaluation;

internal static partial class CaptionTokenizer
{
    /// <summary>What coco-caption drops. Its list has brackets too, but in upper case, which no lower-cased token equals: brackets stay.</summary>
    private static readonly HashSet<string> Dropped = ["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"];

    /// <summary>The words of a caption, in lower case and without punctuation.</summary>
    public static string[] Split(string caption)
    {
        string text = caption.Replace('’', '\'').ToLowerInvariant();
        return [.. Token().Matches(text).SelectMany(match => Contraction().Match(match.Value) is { Success: true } parts
            ? (IEnumerable<string>)[parts.Groups["word"].Value, parts.Groups["rest"].Value] : [match.Value])
            .Select(Spell).Where(token => !Dropped.Contains(token))];
    }

    /// <summary>How the Treebank writes what was no plain text in its day.</summary>
    private static string Spell(string token) => token switch
    {
        "(" => "-lrb-",
        ")" => "-rrb-",
        "{" => "-lcb-",
        "}" => "-rcb-",
        "[" => "-lsb-",
        "]" => "-rsb-",
        "“" or "«" => "``",
        "”" or "»" or "\"" => "''",
        "‘" => "`",
        "…" => "...",
        "–" or "—" => "--",
        "€" => "$",
        "£" => "#",
        "¢" => "cents",
        "½" => @"1\/2",
        "¼" => @"1\/4",
        "¾" => @"3\/4",
        "⅓" => @"1\/3",
        "⅔" => @"2\/3",
        ['-', '-', ..] when token.AsSpan().Trim('-').IsEmpty => "--",
        ['.', '.', ..] when token.AsSpan().Trim('.').IsEmpty => "...",
        ['h', 't', 't', 'p', ..] or ['w', 'w', 'w', '.', ..] => token,
        _ => UnescapedSlashOrStar().Replace(token, @"\$0"),
    };

    // From the top: addresses; what is cut already; abbreviations, which keep their full stop; can·not and its like; clipped words; numbers
    // with a sign; words with hyphens, slashes and apostrophes inside; runs of punctuation; the rest of ASCII, currencies and fractions.
    // Other symbols, such as emoji, match nothing and vanish, as they do there.
    [GeneratedRegex("""
        https?://[^\s"<>]*[^\s"<>.,;:!?)']
        | www\.[^\s"<>]*[^\s"<>.,;:!?)']
        | [\w.+-]+@[\w-]+(?:\.[\w-]+)+
        | -[lr][rcs]b-
        | \b(?:[a-z]\.){2,}
        | \b(?:mr|mrs|ms|dr|prof|st|jr|sr|vs|etc|inc|ltd|co|corp|ave|blvd|rd|mt|ft)\.
        | \b[a-z]\.(?=\s+\S)
        | \bcan(?=not\b) | \b(?:gon|wan)(?=na\b) | \bgot(?=ta\b) | \b(?:lem|gim)(?=me\b)
        | (?<!\w)'(?:(?:s|m|d|re|ve|ll|em|til|cause)\b | t(?=\s*(?:is|was)\b) | n' | \d\ds?\b)
        | (?<!\S)[-+]?\d+(?:[.,:]\d+)*(?![\p{L}\p{N}_/\\'-])
        | [\p{L}\p{M}\p{N}_]+(?:(?:-|\\?/|'(?=\p{L})|(?<=\d)[.,:](?=\d))[\p{L}\p{M}\p{N}_]+)*
        | \.{3,} | -{2,} | [?!]+ | '' | `` | \\?[/*]
        | [!-~“”«»‘–—…€£¢½¼¾⅓⅔]
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Token();

    [GeneratedRegex("^(?<word>.+?)(?<rest>n't|'(?:s|m|d|re|ve|ll))$")]
    private static partial Regex Contraction();

    [GeneratedRegex(@"(?<!\\)[/*]")]
    private static partial Regex UnescapedSlashOrStar();
}
