using Microsoft.ML.Transfusion.Evaluation;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tests.Modeling;
using Microsoft.ML.Transfusion.Tests.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Evaluation;

public sealed class DocumentScorerTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly TransfusionNetwork _network = RandomNetwork.Create(TinyNetwork.Config.Transformer);
    private readonly Document[] _pairs = TinyNetwork.Documents(3);

    public void Dispose()
    {
        _network.Dispose();
        _scope.Dispose();
    }

    [Fact]
    public void Score_of_a_document_does_not_depend_on_its_neighbours()
    {
        Document[] documents = [.. _pairs, new([_pairs[0].Parts[0]]), new([_pairs[1].Parts[1]]), new([.. _pairs[0].Parts, .. _pairs[2].Parts])];

        TransfusionScore[] together = Score(documents);

        for (int row = 0; row < documents.Length; row++)
        {
            TransfusionScore alone = Score(documents[row])[0];
            Assert.Equal(alone.LanguageLoss, together[row].LanguageLoss, 1e-4f);
            Assert.Equal(alone.DiffusionLoss, together[row].DiffusionLoss, 1e-4f);
            Assert.Equal(alone.TokenCount, together[row].TokenCount);
        }
    }

    [Fact]
    public void Score_of_a_pair_does_not_depend_on_its_order() =>
        Assert.Equal(Score(_pairs), Score([.. _pairs.Select(pair => new Document([.. pair.Parts.Reverse()]))]));

    [Fact]
    public void Score_is_the_same_every_time() => Assert.Equal(Score(_pairs), Score(_pairs));

    [Fact]
    public void Score_is_not_a_number_where_there_is_nothing_to_score()
    {
        TransfusionScore[] scores = Score(new Document([_pairs[0].Parts[0]]), new Document([_pairs[0].Parts[1]]));

        Assert.True(float.IsFinite(scores[0].LanguageLoss) && float.IsNaN(scores[0].DiffusionLoss));
        Assert.True(float.IsNaN(scores[1].LanguageLoss) && float.IsFinite(scores[1].DiffusionLoss));
        Assert.Equal(0, scores[1].TokenCount);
        Assert.Empty(Score());
    }

    private TransfusionScore[] Score(params Document[] documents) => DocumentScorer.Score(_network, TinyNetwork.Config, TinyNetwork.Special, documents);
}
