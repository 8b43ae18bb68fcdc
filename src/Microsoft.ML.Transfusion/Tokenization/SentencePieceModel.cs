// What of a SentencePiece model file (sentencepiece_model.proto) Microsoft.ML.Tokenizers keeps to itself: each piece with its kind, and how
// text is normalized.
using System.Globalization;
using Google.Protobuf;

namespace Microsoft.ML.Transfusion.Tokenization;

/// <summary>The kinds of pieces, with the file's numbers.</summary>
internal enum PieceKind
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <param name="Pieces">By id.</param>
/// <param name="UnknownSurface">What an unknown piece decodes to.</param>
/// <param name="CharacterMap">The compiled rules of normalization; empty for none.</param>
internal sealed record SentencePieceModel(IReadOnlyList<(string Text, PieceKind Kind)> Pieces, string UnknownSurface, byte[] CharacterMap,
    bool AddDummyPrefix, bool RemoveExtraWhitespaces, bool EscapeWhitespaces, bool TreatWhitespaceAsSuffix)
{
    /// <exception cref="InvalidProtocolBufferException">The bytes are something else.</exception>
    /// <exception cref="FormatException">A piece for a byte does not say which.</exception>
    public static SentencePieceModel Parse(byte[] contents)
    {
        List<(string, PieceKind)> pieces = [];
        var model = new SentencePieceModel(pieces, " \u2047 ", [], AddDummyPrefix: true, RemoveExtraWhitespaces: true, EscapeWhitespaces: true, TreatWhitespaceAsSuffix: false);
        ForEachField(contents, (field, input) =>
        {
            if (field is not (1 or 2 or 3))
                return false;
            byte[] message = input.ReadBytes().ToByteArray();
            if (field == 1)
                pieces.Add(ParsePiece(message));
            else
                model = field == 2 ? model.WithTrainerSpec(message) : model.WithNormalizerSpec(message);
            return true;
        });
        foreach ((string text, PieceKind kind) in pieces)
            _ = kind == PieceKind.Byte ? ByteOf(text) : default;
        return model;
    }

    /// <summary>The byte that a piece such as &lt;0xE2&gt; stands for.</summary>
    public static byte ByteOf(string piece) => piece is ['<', '0', 'x', _, _, '>'] ? byte.Parse(piece.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
        : throw new FormatException($"'{piece}' names no byte.");

    private static (string Text, PieceKind Kind) ParsePiece(byte[] message)
    {
        (string Text, PieceKind Kind) piece = ("", PieceKind.Normal);
        ForEachField(message, (field, input) =>
        {
            if (field == 1)
                piece.Text = input.ReadString();
            else if (field == 3)
                piece.Kind = (PieceKind)input.ReadEnum();
            return field is 1 or 3;
        });
        return piece;
    }

    private SentencePieceModel WithTrainerSpec(byte[] message)
    {
        SentencePieceModel model = this;
        ForEachField(message, (field, input) =>
        {
            if (field == 24)
                model = model with { TreatWhitespaceAsSuffix = input.ReadBool() };
            else if (field == 44)
                model = model with { UnknownSurface = input.ReadString() };
            return field is 24 or 44;
        });
        return model;
    }

    private SentencePieceModel WithNormalizerSpec(byte[] message)
    {
        SentencePieceModel model = this;
        ForEachField(message, (field, input) =>
        {
            model = field switch
            {
                2 => model with { CharacterMap = input.ReadBytes().ToByteArray() },
                3 => model with { AddDummyPrefix = input.ReadBool() },
                4 => model with { RemoveExtraWhitespaces = input.ReadBool() },
                5 => model with { EscapeWhitespaces = input.ReadBool() },
                _ => model,
            };
            return field is >= 2 and <= 5;
        });
        return model;
    }

    /// <param name="read">Reads the value of a field by its number, or returns false to have it skipped.</param>
    private static void ForEachField(byte[] message, Func<int, CodedInputStream, bool> read)
    {
        using var input = new CodedInputStream(message);
        while (input.ReadTag() is not 0 and uint tag)
        {
            if (!read(WireFormat.GetTagFieldNumber(tag), input))
                input.SkipLastField();
        }
    }
}
