using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Sequences;

public sealed class ArrangementTests : IDisposable
{
    private const int Draws = 20000;
    private static readonly TextPart Text = new([1, 2]);
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly ImagePart _image = new(zeros(3, 2, 2));
    private readonly ImagePart _other = new(ones(3, 2, 2));

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Arrange_lays_pairs_out_in_the_shares_of_the_configuration(bool captionFirst)
    {
        var config = new DiffusionConfig { ImageFirstShare = 0.2, ConditionDropout = 0.1, ImageFirstMaxTimestep = 500 };
        Document pair = captionFirst ? new([Text, _image]) : new([_image, Text]);
        var random = new Random(1);
        int imageFirst = 0, dropped = 0;
        for (int draw = 0; draw < Draws; draw++)
        {
            ArrangedDocument arranged = Arrangement.Arrange(pair, config, random);
            switch (arranged.Parts)
            {
                case [ImagePart, TextPart]:
                    imageFirst++;
                    Assert.Equal([501], arranged.MaxTimesteps);
                    Assert.True(arranged.HasLanguageLoss);
                    break;
                case [TextPart, ImagePart]:
                    Assert.Equal([1000], arranged.MaxTimesteps);
                    Assert.True(arranged.HasLanguageLoss);
                    break;
                default:
                    dropped++;
                    Assert.Equal([_image], arranged.Parts);
                    Assert.Equal([1000], arranged.MaxTimesteps);
                    Assert.False(arranged.HasLanguageLoss);
                    break;
            }
        }
        Assert.Equal(0.2, (double)imageFirst / Draws, 0.012);
        Assert.Equal(0.1, (double)dropped / (Draws - imageFirst), 0.01);
    }

    [Fact]
    public void Arrange_keeps_the_order_of_every_other_document()
    {
        var config = new DiffusionConfig { ImageFirstShare = 0.5, ConditionDropout = 0 };
        DocumentPart[][] documents = [[Text], [_image], [_image, _other], [Text, _image, Text], [Text, _image, _other], []];
        var random = new Random(1);
        foreach (DocumentPart[] parts in documents)
            for (int draw = 0; draw < 20; draw++)
            {
                ArrangedDocument arranged = Arrangement.Arrange(new Document(parts), config, random);
                Assert.Equal(parts, arranged.Parts);
                Assert.True(arranged.HasLanguageLoss);
            }
    }

    [Fact]
    public void AsIs_limits_the_noise_of_the_images_that_text_follows()
    {
        var config = new DiffusionConfig();
        int[] Limits(params DocumentPart[] parts) => [.. Arrangement.AsIs(new Document(parts), config).MaxTimesteps];

        Assert.Equal([], Limits(Text));
        Assert.Equal([1000], Limits(_image));
        Assert.Equal([1000], Limits(Text, _image));
        Assert.Equal([501], Limits(_image, Text));
        Assert.Equal([501, 1000], Limits(_image, Text, _other));
        Assert.Equal([501, 501], Limits(_image, _other, Text));
    }

    [Fact]
    public void AsIs_never_allows_more_timesteps_than_there_are()
    {
        var config = new DiffusionConfig { NumberOfTrainTimesteps = 100, ImageFirstMaxTimestep = 500 };

        Assert.Equal([100], Arrangement.AsIs(new Document([_image, Text]), config).MaxTimesteps);
    }

    [Fact]
    public void Text_weighs_less_only_where_an_image_follows()
    {
        var config = new DiffusionConfig { CaptionFirstLanguageWeight = 0.25, ConditionDropout = 0 };
        TextPart prompt = new([3, 4]), caption = new([5, 6, 7]);

        ArrangedDocument arranged = Arrangement.Arrange(new Document([prompt, _image, caption]), config, new Random(1));
        using SequenceBatch batch = SequenceBatch.Create([arranged], Training.TinyNetwork.Special, 4);

        Assert.Equal([0.25f, 0.25f, 0.25f, 1, 1, 1, 1], batch.TargetWeights);        // prompt and BOI; caption and EOS
    }

    [Fact]
    public void A_longer_document_that_ends_in_an_image_loses_its_text_now_and_then()
    {
        var config = new DiffusionConfig { ConditionDropout = 0.25, ImageFirstShare = 1 };
        Document pair = Training.TinyNetwork.Documents(1)[0];
        DocumentPart source = pair.Parts[1], instruction = pair.Parts[0];
        var random = new Random(1);
        ArrangedDocument[] visits = [.. Enumerable.Range(0, 400).Select(_ => Arrangement.Arrange(new Document([source, instruction, pair.Parts[1]]), config, random))];
        ArrangedDocument told = Arrangement.Arrange(new Document([instruction, source, instruction]), config with { ConditionDropout = 1 }, random);

        Assert.InRange(visits.Count(visit => visit.Parts is [ImagePart, ImagePart] && !visit.HasLanguageLoss), 60, 140);
        Assert.All(visits, visit => Assert.Equal([501, 1000], visit.MaxTimesteps));
        Assert.Equal(3, told.Parts.Count);
    }
}
