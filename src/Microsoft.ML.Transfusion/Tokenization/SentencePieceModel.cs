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

/// <param name="Score">The logarithm of a unigram piece's probability.</param>
internal readonly record struct SentencePiece(string Text, PieceKind Kind, float Score);

/// <param name="Pieces">By id.</param>
/// <param name="UnknownSurface">What an unknown piece decodes to.</param>
/// <param name="CharacterMap">The compiled rules of normalization; empty for none.</param>
internal sealed record SentencePieceModel(IReadOnlyList<SentencePiece> Pieces, string UnknownSurface, byte[] CharacterMap,
    bool AddDummyPrefix, bool RemoveExtraWhitespaces, bool EscapeWhitespaces, bool TreatWhitespaceAsSuffix, bool IsUnigram)
{
    private const int Unigram = 1;                                 // the kind of model; 2 is BPE

    /// <summary>The pieces that text is cut into, by their text.</summary>
    public Dictionary<string, (int Id, float Score)> NormalPieces => Pieces.Index().Where(piece => piece.Item.Kind == PieceKind.Normal && piece.Item.Text.Length > 0)
        .DistinctBy(piece => piece.Item.Text).ToDictionary(piece => piece.Item.Text, piece => (piece.Index, piece.Item.Score), StringComparer.Ordinal);

    /// <exception cref="InvalidProtocolBufferException">The bytes are something else.</exception>
    /// <exception cref="FormatException">A piece for a byte does not say which.</exception>
    public static SentencePieceModel Parse(byte[] contents)
    {
        List<SentencePiece> pieces = [];
        var model = new SentencePieceModel(pieces, " \u2047 ", [], AddDummyPrefix: true, RemoveExtraWhitespaces: true, EscapeWhitespaces: true, TreatWhitespaceAsSuffix: false, IsUnigram: true);
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
        foreach (SentencePiece piece in pieces)
            _ = piece.Kind == PieceKind.Byte ? ByteOf(piece.Text) : default;
        return model;
    }

    /// <summary>The byte that a piece such as &lt;0xE2&gt; stands for.</summary>
    public static byte ByteOf(string piece) => piece is ['<', '0', 'x', _, _, '>'] ? byte.Parse(piece.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
        : throw new FormatException($"'{piece}' names no byte.");

    private static SentencePiece ParsePiece(byte[] message)
    {
        var piece = new SentencePiece("", PieceKind.Normal, 0);
        ForEachField(message, (field, input) =>
        {
            piece = field switch
            {
                1 => piece with { Text = input.ReadString() },
                2 => piece with { Score = input.ReadFloat() },
                3 => piece with { Kind = (PieceKind)input.ReadEnum() },
                _ => piece,
            };
            return field is >= 1 and <= 3;
        });
        return piece;
    }

    private SentencePieceModel WithTrainerSpec(byte[] message)
    {
        SentencePieceModel model = this;
        ForEachField(message, (field, input) =>
        {
            model = field switch
            {
                3 => model with { IsUnigram = input.ReadEnum() == Unigram },
                24 => model with { TreatWhitespaceAsSuffix = input.ReadBool() },
                44 => model with { UnknownSurface = input.ReadString() },
                _ => model,
            };
            return field is 3 or 24 or 44;
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
