// The whole recipe at once: what was trained on is recited, redrawn and recognized.
using Microsoft.ML.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests;

[Collection(nameof(RecitingModel))]
[Trait("Category", "Slow")]
public sealed class RecitingModelTests(RecitingModel trained)
{
    private static readonly GenerationOptions Options = GenerationOptions.Fast with { GuidanceScale = 1.5 };

    [Fact]
    public void Caption_recites_every_picture()
    {
        using var scope = NewDisposeScope();
        Tensor[] pictures = [.. Enumerable.Range(0, CaptionedPictures.Captions.Length).Select(CaptionedPictures.Pixels)];

        string[] captions = trained.Model.CaptionBatch(pictures, Options, CancellationToken.None);

        Assert.Equal(CaptionedPictures.Captions, captions);
    }

    [Theory]
    [InlineData(DiffusionSamplerType.DpmSolver)]
    [InlineData(DiffusionSamplerType.Ddim)]
    [InlineData(DiffusionSamplerType.Ddpm)]
    public void GenerateImage_redraws_every_caption(DiffusionSamplerType sampler)
    {
        using var scope = NewDisposeScope();
        Tensor[] pictures = [.. Enumerable.Range(0, CaptionedPictures.Captions.Length).Select(CaptionedPictures.Pixels)];

        Tensor[] drawn = trained.Model.GenerateImageBatch(CaptionedPictures.Captions, Options with { Sampler = sampler }, CancellationToken.None);

        AssertRedrawn(pictures, drawn);
    }

    [Fact]
    public void GenerateImage_of_a_flow_matching_model_redraws_every_caption()
    {
        using var scope = NewDisposeScope();
        Tensor[] pictures = [.. Enumerable.Range(0, CaptionedPictures.Captions.Length).Select(CaptionedPictures.Pixels)];
        TransfusionConfig config = CaptionedPictures.Config with { Diffusion = DiffusionConfig.Flow with { ImageFirstShare = 0.2 } };
        using TransfusionModel model = TransfusionModel.Train(config, CaptionedPictures.Options(steps: 1500), CaptionedPictures.Tokenizer, CaptionedPictures.Documents, []);

        Tensor[] drawn = model.GenerateImageBatch(CaptionedPictures.Captions, Options, CancellationToken.None);

        AssertRedrawn(pictures, drawn);
    }

    private static void AssertRedrawn(Tensor[] pictures, Tensor[] drawn)
    {
        for (int i = 0; i < drawn.Length; i++)
        {
            double[] distances = [.. pictures.Select(picture => (picture - drawn[i]).abs().mean().ToDouble())];
            Assert.True(distances[i] < 0.12, $"'{CaptionedPictures.Captions[i]}' is off by {distances[i]:f3} a pixel.");
            Assert.Equal(i, Array.IndexOf(distances, distances.Min()));
            drawn[i].Dispose();
        }
    }

    [Fact]
    public void Generate_goes_on_with_the_picture_after_its_caption_and_ends()
    {
        using var scope = NewDisposeScope();
        for (int i = 0; i < CaptionedPictures.Captions.Length; i++)
        {
            SequencePart[] parts = [.. trained.Model.Generate([new SequencePart.Text(CaptionedPictures.Captions[i])], Options)];

            using MLImage image = Assert.IsType<SequencePart.Image>(Assert.Single(parts)).Value;
            using MLImage expected = CaptionedPictures.Picture(i);
            double difference = image.Pixels.ToArray().Zip(expected.Pixels.ToArray(), (left, right) => Math.Abs(left - right)).Average();
            Assert.True(difference < 16, $"'{CaptionedPictures.Captions[i]}' is off by {difference:f1} of 255 levels a byte.");
        }
    }

    [Fact]
    public void Score_prefers_the_picture_s_own_caption()
    {
        for (int i = 0; i < CaptionedPictures.Captions.Length; i++)
        {
            using MLImage picture = CaptionedPictures.Picture(i);
            float[] losses = [.. CaptionedPictures.Captions.Select(caption =>
                trained.Model.Score([new SequencePart.Image(picture), new SequencePart.Text(caption)]).LanguageLoss)];

            Assert.Equal(i, Array.IndexOf(losses, losses.Min()));
        }
    }

    [Fact]
    public void Score_prefers_the_caption_s_own_picture()
    {
        for (int i = 0; i < CaptionedPictures.Captions.Length; i++)
        {
            float[] losses = new float[CaptionedPictures.Captions.Length];
            for (int other = 0; other < losses.Length; other++)
            {
                using MLImage picture = CaptionedPictures.Picture(other);
                losses[other] = trained.Model.Score([new SequencePart.Text(CaptionedPictures.Captions[i]), new SequencePart.Image(picture)]).DiffusionLoss;
            }

            Assert.Equal(i, Array.IndexOf(losses, losses.Min()));
        }
    }
}
