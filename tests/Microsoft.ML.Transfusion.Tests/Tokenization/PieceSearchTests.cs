// How text is cut into SentencePiece's pieces where more than one way is as good: what the original was seen to do.
using Microsoft.ML.Transfusion.Tokenization;

namespace Microsoft.ML.Transfusion.Tests.Tokenization;

public class PieceSearchTests
{
    private const int Unknown = 0;

    [Theory]
    [InlineData("sssss", "ss ss s")]
    [InlineData("asssb", "as ss b")]
    [InlineData("ssas", "ss as")]
    [InlineData("aas", "a as")]
    [InlineData("", "")]
    public void Merges_take_the_best_piece_first_and_the_leftmost_of_equals(string text, string pieces) =>
        Assert.Equal(pieces, Text(new BpeMerges(Model(("as", -1), ("ss", -2), ("a", -3), ("s", -4), ("b", -5)), Unknown).Cut(text)));

    [Fact]
    public void Merges_reach_long_pieces_through_their_parts() =>
        Assert.Equal("abab c", Text(new BpeMerges(Model(("ab", -1), ("abab", -2), ("a", -3), ("b", -4), ("c", -5)), Unknown).Cut("ababc")));

    [Fact]
    public void Unigrams_are_the_likeliest_pieces() =>
        Assert.Equal("abc d", Text(new UnigramSearch(Model(("ab", -2), ("abc", -3), ("cd", -2.5f), ("a", -4), ("b", -4), ("c", -4), ("d", -0.5f)), Unknown).Cut("abcd")));

    // In 32 bits both sums are −10.222453, but the second, in 64, lies above: it wins, as it does in the original.
    [Fact]
    public void Unigrams_that_are_equal_in_32_bits_are_compared_in_64() => Assert.Equal("_ .. .",
        Text(new UnigramSearch(Model(("_", -2.108194351196289f), (".", -3.3041465282440186f), ("..", -4.810111999511719f)), Unknown).Cut("_...")));

    [Fact]
    public void Characters_without_a_piece_are_unknown_and_stay_whole()
    {
        SentencePieceModel model = Model(("a", -1));
        Assert.Equal([(1, "a"), (Unknown, "🙂"), (1, "a")], new BpeMerges(model, Unknown).Cut("a🙂a"));
        Assert.Equal([(1, "a"), (Unknown, "🙂"), (1, "a")], new UnigramSearch(model, Unknown).Cut("a🙂a"));
    }

    private static string Text(IEnumerable<(int Id, string Text)> pieces) => string.Join(' ', pieces.Select(piece => piece.Text));

    private static SentencePieceModel Model(params (string Text, float Score)[] pieces) => new(
        [new SentencePiece("<unk>", PieceKind.Unknown, 0), .. pieces.Select(piece => new SentencePiece(piece.Text, PieceKind.Normal, piece.Score))],
        "", [], AddDummyPrefix: false, RemoveExtraWhitespaces: false, EscapeWhitespaces: false, TreatWhitespaceAsSuffix: false, IsUnigram: false);
}
