// How text is split into words before byte-pair encoding; merges never cross a word. Ids depend on it, so a saved model names its pattern.
// The patterns are the ones that the vocabularies of the same names were made with. Each matches every character of any text.
using System.Text.RegularExpressions;

namespace Microsoft.ML.Transfusion.Tokenization;

internal enum PreTokenization
{
    Gpt2,
    Gpt2Digits,
    Cl100k,
    O200k,
}

internal static partial class PreTokenizationPattern
{
    public static Regex Of(PreTokenization preTokenization) => preTokenization switch
    {
        PreTokenization.Gpt2 => Gpt2(),
        PreTokenization.Gpt2Digits => Gpt2Digits(),
        PreTokenization.Cl100k => Cl100k(),
        PreTokenization.O200k => O200k(),
        _ => throw new ArgumentOutOfRangeException(nameof(preTokenization), preTokenization, null),
    };

    [GeneratedRegex(@"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]
    private static partial Regex Gpt2();

    // GPT-2's, after every digit was set apart: white space before a digit ends where a text would.
    [GeneratedRegex(@"'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+")]
    private static partial Regex Gpt2Digits();

    [GeneratedRegex(@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        RegexOptions.CultureInvariant)]
    private static partial Regex Cl100k();

    [GeneratedRegex(@"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+", RegexOptions.CultureInvariant)]
    private static partial Regex O200k();
}
