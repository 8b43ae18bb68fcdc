// How SentencePiece prepares text: characters are replaced by a map that the model carries (NFKC and the like), spaces are written ▁, and
// depending on the model one is put before the text and superfluous ones are removed. Symbols that a user defined stay as they are.
using System.Buffers.Binary;
using System.Text;

namespace Microsoft.ML.Transfusion.Tokenization;

internal sealed class SentencePieceNormalizer
{
    private readonly SentencePieceModel _model;
    private readonly UserDefinedSymbols _symbols;
    private readonly uint[] _trie;                                 // a double array over UTF-8 bytes (Darts-clone): offset, label, leaf flags in each unit
    private readonly byte[] _replacements;                         // UTF-8 strings with a zero after each

    /// <exception cref="FormatException">The model's character map is damaged.</exception>
    public SentencePieceNormalizer(SentencePieceModel model, UserDefinedSymbols symbols)
    {
        (_model, _symbols) = (model, symbols);
        ReadOnlySpan<byte> map = model.CharacterMap;
        if (map.IsEmpty)
        {
            (_trie, _replacements) = ([], []);
            return;
        }
        if (map.Length < sizeof(uint) || BinaryPrimitives.ReadUInt32LittleEndian(map) > map.Length - sizeof(uint) || map[^1] != 0)
            throw new FormatException("The character map is damaged.");
        int length = (int)BinaryPrimitives.ReadUInt32LittleEndian(map) / sizeof(uint);
        _trie = new uint[length];
        for (int i = 0; i < length; i++)
            _trie[i] = BinaryPrimitives.ReadUInt32LittleEndian(map[(sizeof(uint) * (1 + i))..]);
        _replacements = map[(sizeof(uint) * (1 + length))..].ToArray();
    }

    public string Normalize(string text)
    {
        string space = _model.EscapeWhitespaces ? SentencePieceVocabulary.Space : " ";
        string prefix = _model is { AddDummyPrefix: true, TreatWhitespaceAsSuffix: false } ? space : "", suffix = _model is { AddDummyPrefix: true, TreatWhitespaceAsSuffix: true } ? space : "";
        var result = new StringBuilder(text.Length + 8);
        bool started = !_model.RemoveExtraWhitespaces, afterSpace = !started;
        for (ReadOnlySpan<byte> rest = Encoding.UTF8.GetBytes(text); rest.Length > 0;)
        {
            (string next, int length) = NormalizePrefix(rest);
            rest = rest[length..];
            started |= next != " ";
            next = afterSpace ? next.TrimStart(' ') : next;
            result.Append(next.Replace(" ", space, StringComparison.Ordinal));
            afterSpace = _model.RemoveExtraWhitespaces && (next.Length > 0 ? next.EndsWith(' ') : afterSpace);
        }
        if (text.Length == 0 || !started)
            return "";
        string normalized = prefix + result;
        while (_model.RemoveExtraWhitespaces && normalized.EndsWith(space, StringComparison.Ordinal))
            normalized = normalized[..^space.Length];
        return normalized + suffix;
    }

    /// <summary>What the longest known prefix becomes, and how many bytes it takes.</summary>
    private (string Text, int Length) NormalizePrefix(ReadOnlySpan<byte> text)
    {
        if (_symbols.LongestAt(text) is { Length: > 0 } symbol)
            return (symbol, Encoding.UTF8.GetByteCount(symbol));
        (int length, int replacement) = LongestMatch(text);
        if (length > 0)
        {
            ReadOnlySpan<byte> start = _replacements.AsSpan(replacement);
            return (Encoding.UTF8.GetString(start[..start.IndexOf((byte)0)]), length);
        }
        Rune.DecodeFromUtf8(text, out Rune character, out int consumed);
        return (character.ToString(), consumed);
    }

    private (int Length, int Replacement) LongestMatch(ReadOnlySpan<byte> text)
    {
        (int Length, int Replacement) longest = (0, 0);
        uint node = 0;
        for (int i = 0; i < text.Length && node < _trie.Length; i++)
        {
            node ^= OffsetOf(_trie[node]) ^ text[i];
            if (node >= _trie.Length || LabelOf(_trie[node]) != text[i])
                break;
            uint unit = _trie[node], leaf = node ^ OffsetOf(unit);
            if (HasLeaf(unit) && leaf < _trie.Length && ValueOf(_trie[leaf]) < _replacements.Length)
                longest = (i + 1, ValueOf(_trie[leaf]));
        }
        return longest;
    }

    // A unit of the double array: bits 0–7 its label, 8 whether a value hangs below, 10–30 the offset to its children, in steps of 256 if bit
    // 9 is set; bit 31 marks a value, which is the other 31 bits.
    private static uint OffsetOf(uint unit) => unit >> 10 << (int)((unit & (1u << 9)) >> 6);

    private static uint LabelOf(uint unit) => unit & ((1u << 31) | 0xFF);

    private static bool HasLeaf(uint unit) => (unit >> 8 & 1) == 1;

    private static int ValueOf(uint unit) => (int)(unit & ~(1u << 31));
}
