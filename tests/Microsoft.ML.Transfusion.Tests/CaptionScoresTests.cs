namespace Microsoft.ML.Transfusion.Tests;

public class CaptionScoresTests
{
    [Fact]
    public void Captions_that_say_the_same_have_the_best_scores_whatever_their_case_and_punctuation()
    {
        CaptionScores scores = CaptionScores.Of([("A red house by the sea.", "a red house by the sea"), ("two cats on a mat", "Two cats on a mat!")]);

        Assert.Equal((2, 1.0), (scores.Count, scores.ExactMatch));
        Assert.Equal([1, 1, 10], [scores.Bleu4, scores.RougeL, scores.Cider], (a, b) => Math.Abs(a - b) < 1e-6);
    }

    [Fact]
    public void One_word_off_is_not_exact_but_better_than_silence()
    {
        CaptionScores close = CaptionScores.Of([("a red house by the lake", "a red house by the sea"), ("two cats on a mat", "two cats on a mat")]);
        CaptionScores silent = CaptionScores.Of([("", "a red house by the sea"), ("", "two cats on a mat")]);

        Assert.Equal((0.5, 0.0), (close.ExactMatch, silent.ExactMatch));
        Assert.InRange(close.RougeL, 0.7, 0.99);
        Assert.True(close.Cider > silent.Cider && close.Bleu4 > silent.Bleu4);
        Assert.Equal(0, silent.RougeL);
    }
}
