using Shapes.Data;

namespace Microsoft.ML.Transfusion.Samples.Tests.Shapes;

public class CaptionTests
{
    [Fact]
    public void Parse_undoes_Write_in_both_wordings_of_every_composition()
    {
        foreach (Composition composition in EveryComposition.Singles().Concat(EveryComposition.Pairs()))
        {
            Assert.Equal(composition, Caption.Parse(Caption.Write(composition)));
            Assert.Equal(composition, Caption.Parse(Caption.Write(composition, secondFirst: true)));
        }
    }

    [Fact]
    public void Write_words_no_two_compositions_alike()
    {
        Composition[] all = [.. EveryComposition.Singles(), .. EveryComposition.Pairs()];
        Assert.Equal(all.Length, all.Select(composition => Caption.Write(composition)).Distinct().Count());
    }

    [Theory]
    [InlineData("a small red circle above a large blue square", "a large blue square below a small red circle", true)]
    [InlineData("a small red circle left of a large blue square", "a large blue square right of a small red circle", true)]
    [InlineData("a small red circle above a large blue square", "a large blue square above a small red circle", false)]
    [InlineData("a small red circle above a large blue square", "a small red circle left of a large blue square", false)]
    [InlineData("a small red circle above a large blue square", "a small blue circle above a large red square", false)]
    [InlineData("a small red circle", "a small red circle above a small red circle", false)]
    public void Parse_tells_equivalent_wordings_from_others(string one, string other, bool equivalent)
    {
        Assert.NotNull(Caption.Parse(one));
        Assert.NotNull(Caption.Parse(other));
        Assert.Equal(equivalent, Caption.Parse(one) == Caption.Parse(other));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a red circle")]
    [InlineData("a small red")]
    [InlineData("a small red circle above")]
    [InlineData("a small red circle a large blue square")]
    [InlineData("a small red circle above a large blue square above a small red circle")]
    [InlineData("a small red circle near a large blue square")]
    [InlineData("a small red circle above a large blue square left of a small red circle")]
    [InlineData("a  small red circle")]
    [InlineData("a 0 red circle")]
    public void Parse_gives_null_when_the_caption_is_no_sentence(string caption) => Assert.Null(Caption.Parse(caption));
}
