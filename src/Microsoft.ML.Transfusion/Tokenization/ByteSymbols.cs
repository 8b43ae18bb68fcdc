// GPT-2's printable stand-ins for the 256 bytes, the alphabet that byte-level vocabularies are written in: bytes that print in Latin-1 stand
// for themselves, the others for U+0100 and up, in order. No symbol is white space, so vocabulary files can be split at spaces and lines.
namespace Microsoft.ML.Transfusion.Tokenization;

internal static class ByteSymbols
{
    public const int Count = 256;

    private static readonly char[] Symbols = Create();

    public static string Of(byte value) => Symbols[value].ToString();

    private static char[] Create()
    {
        var symbols = new char[Count];
        char next = '\u0100';
        for (int value = 0; value < Count; value++)
        {
            bool prints = value is >= '!' and <= '~' or >= '¡' and <= '¬' or >= '®';
            symbols[value] = prints ? (char)value : next++;
        }
        return symbols;
    }
}
