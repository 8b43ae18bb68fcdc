using System.Text;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Evaluation;
using Microsoft.ML.Transfusion.Imaging;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests;

[Collection(nameof(BriefModel))]
public sealed class TransfusionModelSequencesTests(BriefModel trained)
{
    private static readonly GenerationOptions Options = GenerationOptions.Fast with { NumberOfInferenceSteps = 5, MaxNewTokens = 12 };
    private readonly TransfusionModel _model = trained.Model;

    [Fact]
    public void Generate_streams_text_in_whole_characters_that_add_up()
    {
        GenerationOptions sampled = Options with { Temperature = 3, MaxNewTokens = 40 };      // most tokens are single bytes, few of them characters
        int pieces = 0, broken = 0;
        for (int seed = 0; seed < 30; seed++)
        {
            SequencePart[] parts = [.. _model.Generate([], sampled with { Seed = seed })];
            string[] texts = [.. parts.OfType<SequencePart.Text>().Select(part => part.Value)];
            pieces += texts.Length;
            Assert.DoesNotContain("", texts);
            broken += parts.Zip(parts.Skip(1)).Count(pair => pair is { First: SequencePart.Text text, Second: SequencePart.Text } && text.Value.EndsWith('\uFFFD'));
            foreach (SequencePart.Image image in parts.OfType<SequencePart.Image>())
                image.Value.Dispose();
            string again = string.Concat(_model.Generate([], sampled with { Seed = seed }).Select(part => Text(part)));
            Assert.Equal(again, string.Concat(texts));
        }
        Assert.True(pieces > 60, $"{pieces} pieces");
        Assert.Equal(0, broken);
    }

    [Fact]
    public void Generate_shows_previews_and_progress_that_come_to_the_image()
    {
        var steps = new List<GenerationProgress>();
        var progress = new Immediate(steps.Add);
        GenerationOptions options = Options with { PreviewInterval = 2, NumberOfInferenceSteps = 6, Temperature = 2 };
        for (int seed = 0; ; seed++)
        {
            Assert.True(seed < 300, "No answer had an image.");
            steps.Clear();
            SequencePart[] parts = [.. _model.Generate([], options with { Seed = seed }, progress)];
            int image = Array.FindIndex(parts, part => part is SequencePart.Image);
            if (image < 0)
                continue;
            Assert.Equal([(2, 6), (4, 6)], parts[..image].OfType<SequencePart.Preview>().Select(preview => (preview.Step, preview.NumberOfSteps)));
            Assert.Equal([1, 2, 3, 4, 5, 6], steps.Where(step => step.Image == 0).Select(step => step.Step));
            Assert.All(parts.OfType<SequencePart.Preview>(), preview => Assert.Equal((8, 8), (preview.Value.Width, preview.Value.Height)));
            return;
        }
    }

    [Fact]
    public async Task GenerateAsync_gives_what_Generate_gives()
    {
        var parts = new List<string>();
        await foreach (SequencePart part in _model.GenerateAsync([new SequencePart.Text("a cat")], Options with { Temperature = 1 }))
            parts.Add(Text(part));

        Assert.Equal(_model.Generate([new SequencePart.Text("a cat")], Options with { Temperature = 1 }).Select(Text), parts);
    }

    [Fact]
    public void Generate_says_at_once_what_is_wrong_with_a_prompt()
    {
        string endless = string.Concat(Enumerable.Repeat("a barn and the sea ", 40));

        Assert.Contains("MaxSequenceLength", Assert.Throws<ArgumentException>(() => _model.Generate([new SequencePart.Text(endless)], Options).ToList()).Message);
        Assert.Contains("MaxSequenceLength", Assert.Throws<ArgumentException>(() => _model.GenerateImage(endless, Options)).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => _model.Generate([], Options with { NumberOfInferenceSteps = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => _model.Generate([], Options with { GuidanceScale = double.NaN }));
        Assert.Empty(_model.Generate([], Options with { MaxNewTokens = 0 }));
    }

    [Fact]
    public void A_document_is_answered_with_one_picture_or_with_text()
    {
        using MLImage picture = CaptionedPictures.Picture(0), edited = _model.GenerateImage([new SequencePart.Image(picture), new SequencePart.Text("a barn")], Options);
        using MLImage drawn = _model.GenerateImage([new SequencePart.Text("a barn")], Options), same = _model.GenerateImage("a barn", Options);

        Assert.Equal((8, 8), (edited.Width, edited.Height));
        Assert.Equal(_model.Caption(picture, Options), _model.GenerateText([new SequencePart.Image(picture)], Options));
        Assert.Equal(same.Pixels.ToArray(), drawn.Pixels.ToArray());
        Assert.Throws<ArgumentNullException>(() => _model.GenerateText(null!));
    }

    [Fact]
    public void Rank_is_the_likelihood_that_training_computes()
    {
        for (int picture = 0; picture < 4; picture++)
        {
            using MLImage image = CaptionedPictures.Picture(picture);
            IReadOnlyList<CaptionLikelihood> ranked = _model.Rank(image, CaptionedPictures.Captions);

            Assert.Equal(CaptionedPictures.Captions, ranked.Select(caption => caption.Caption));
            Assert.Equal(1, ranked.Sum(caption => caption.Probability), 9);
            foreach (CaptionLikelihood caption in ranked)
            {
                TransfusionScore score = _model.Score([new SequencePart.Image(image), new SequencePart.Text(caption.Caption)]);
                // The score has the token after BOS too, which is BOI and says nothing of the caption; training also allows all special tokens.
                Assert.InRange(caption.LogLikelihood, -score.LanguageLoss * score.TokenCount - 1e-3, 0);
            }
            Assert.Equal(ranked.MaxBy(caption => caption.LogLikelihood), ranked.MaxBy(caption => caption.Probability));
        }
        using MLImage any = CaptionedPictures.Picture(0);
        Assert.Throws<ArgumentException>(() => _model.Rank(any, []));
        Assert.Contains("MaxSequenceLength", Assert.Throws<ArgumentException>(() => _model.Rank(any, [new string('x', 500)])).Message);
    }

    [Fact]
    public void RedrawImage_stays_near_a_source_that_little_noise_is_added_to()
    {
        using MLImage source = CaptionedPictures.Picture(1);
        GenerationOptions options = Options with { NumberOfInferenceSteps = 50 };
        double Distance(double strength)
        {
            using MLImage redrawn = _model.RedrawImage(source, "the sea", strength, options);
            return redrawn.Pixels.ToArray().Zip(source.Pixels.ToArray(), (a, b) => (double)((a - b) * (a - b))).Average();
        }

        Assert.InRange(Distance(0.02), 0, Distance(1) / 20);
        Assert.Throws<ArgumentOutOfRangeException>(() => _model.RedrawImage(source, "the sea", 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => _model.RedrawImage(source, "the sea", double.NaN));
    }

    [Fact]
    public void InpaintImage_leaves_what_the_mask_leaves()
    {
        using MLImage source = CaptionedPictures.Picture(2);
        using Tensor marked = full([3, 8, 8], -1f);
        marked.narrow(2, 4, 4).fill_(1);
        using MLImage mask = ImageTensors.ToImage(marked), wrong = MLImage.CreateFromPixels(4, 4, MLPixelFormat.Rgba32, new byte[64]);
        using MLImage inpainted = _model.InpaintImage(source, mask, "a barn", Options);

        byte[] before = source.Pixels.ToArray(), after = inpainted.Pixels.ToArray();
        Assert.All(Enumerable.Range(0, before.Length).Where(i => i / 4 % 8 < 4), i => Assert.InRange(Math.Abs(before[i] - after[i]), 0, 2));
        Assert.NotEqual(before, after);
        Assert.Contains("4×4", Assert.Throws<ArgumentException>(() => _model.InpaintImage(source, wrong, "a barn", Options)).Message);
    }

    [Fact]
    public void The_likeliest_of_several_candidates_is_kept()
    {
        using MLImage picture = CaptionedPictures.Picture(3);
        GenerationOptions sampled = Options with { Temperature = 1.5 };
        double PerToken(string caption) => _model.Rank(picture, [caption])[0] is var ranked ? ranked.LogLikelihood / ranked.NumberOfTokens : 0;
        double one = 0, best = 0;
        for (int seed = 0; seed < 10; seed++)
        {
            one += PerToken(_model.Caption(picture, sampled with { Seed = seed }));
            best += PerToken(_model.Caption(picture, sampled with { Seed = seed, NumberOfCandidates = 8 }));
        }

        Assert.True(best > one, $"{best} of eight, {one} of one");
    }

    [Fact]
    public void Of_several_drawings_the_one_is_kept_that_the_model_would_caption_so()
    {
        double Likelihood(string prompt, MLImage drawing) => _model.Rank(drawing, [prompt])[0].LogLikelihood;
        GenerationOptions several = Options with { NumberOfImageCandidates = 3 };
        string[] prompts = CaptionedPictures.Captions[..4];
        double one = 0, best = 0;
        foreach (string prompt in prompts)
        {
            using MLImage first = _model.GenerateImage(prompt, Options), kept = _model.GenerateImage(prompt, several);
            (one, best) = (one + Likelihood(prompt, first), best + Likelihood(prompt, kept));
            Assert.Equal(kept.Pixels.ToArray(), Pixels(_model.GenerateImage(prompt, several)));
        }

        Assert.True(best > one, $"{best} of three, {one} of one");
        // In a batch as alone.
        Tensor[] together = _model.GenerateImageBatch(prompts, several, CancellationToken.None);
        foreach ((string prompt, Tensor pixels) in prompts.Zip(together))
        {
            using MLImage drawn = ImageTensors.ToImage(pixels), alone = _model.GenerateImage(prompt, several);
            Assert.Equal(alone.Pixels.ToArray(), drawn.Pixels.ToArray());
            pixels.Dispose();
        }
        using MLImage source = CaptionedPictures.Picture(3);
        Assert.Contains(nameof(GenerationOptions.NumberOfImageCandidates),
            Assert.Throws<ArgumentException>(() => _model.GenerateImage([new SequencePart.Image(source), new SequencePart.Text("a barn")], several)).Message, StringComparison.Ordinal);

        static byte[] Pixels(MLImage image)
        {
            using (image)
                return image.Pixels.ToArray();
        }
    }

    [Fact]
    public void Many_threads_get_what_one_gets_and_too_many_are_refused()
    {
        string[] prompts = [.. Enumerable.Range(0, 24).Select(i => CaptionedPictures.Captions[i % 8] + new string('!', i / 8))];
        byte[][] alone = [.. prompts.Select(Draw)], together = new byte[prompts.Length][];
        Thread[] threads = [.. prompts.Select((prompt, at) => new Thread(() => together[at] = Draw(prompt)))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        Assert.Equal(alone, together);

        using TransfusionModel narrow = Reload();
        narrow.MaxWaitingRows = 0;
        Assert.Contains("MaxWaitingRows", Assert.Throws<GenerationOverloadException>(() => narrow.GenerateImage("a barn", Options)).Message);
    }

    private TransfusionModel Reload()
    {
        using var file = new MemoryStream();
        _model.Save(file);
        file.Position = 0;
        return TransfusionModel.Load(file);
    }

    private byte[] Draw(string prompt)
    {
        using MLImage image = _model.GenerateImage(prompt, Options);
        return image.Pixels.ToArray();
    }

    private static string Text(SequencePart part)
    {
        if (part is SequencePart.Text text)
            return text.Value;
        (part as SequencePart.Image)?.Value.Dispose();
        return "";
    }

    private sealed class Immediate(Action<GenerationProgress> report) : IProgress<GenerationProgress>
    {
        public void Report(GenerationProgress value) => report(value);
    }
}
