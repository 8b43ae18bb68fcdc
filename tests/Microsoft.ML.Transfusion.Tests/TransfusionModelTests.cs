using Microsoft.ML.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests;

[Collection(nameof(BriefModel))]
public sealed class TransfusionModelTests(BriefModel trained)
{
    private static readonly GenerationOptions Options = GenerationOptions.Fast with { NumberOfInferenceSteps = 5, MaxNewTokens = 12 };
    private readonly TransfusionModel _model = trained.Model;

    [Fact]
    public void Load_gives_a_model_of_the_same_captions_and_pixels_as_the_one_saved()
    {
        using var file = new MemoryStream();
        _model.Save(file);
        file.Position = 0;

        using TransfusionModel loaded = TransfusionModel.Load(file);

        Assert.Equal(_model.Config, loaded.Config);
        GenerationOptions sampled = Options with { Temperature = 1 };
        for (int i = 0; i < 4; i++)
        {
            using MLImage picture = CaptionedPictures.Picture(i);
            Assert.Equal(_model.Caption(picture, sampled), loaded.Caption(picture, sampled));
            Assert.Equal(Draw(_model, CaptionedPictures.Captions[i], sampled), Draw(loaded, CaptionedPictures.Captions[i], sampled));
        }
        using var again = new MemoryStream();
        loaded.Save(again);
        Assert.Equal(file.ToArray(), again.ToArray());
    }

    [Fact]
    public void Save_replaces_a_file_that_Load_reads()
    {
        string path = Path.GetTempFileName();
        try
        {
            _model.Save(path);
            using TransfusionModel loaded = TransfusionModel.Load(path);
            Assert.Equal(Draw(_model, "a barn", Options), Draw(loaded, "a barn", Options));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Calls_from_many_threads_give_what_calls_in_turn_give()
    {
        string[] captions = new string[8], captionsInTurn = new string[8];
        byte[][] drawings = new byte[8][], drawingsInTurn = new byte[8][];
        void Work(int i, string[] captions, byte[][] drawings)
        {
            using MLImage picture = CaptionedPictures.Picture(i);
            captions[i] = _model.Caption(picture, Options);
            drawings[i] = Draw(_model, CaptionedPictures.Captions[i], Options);
            Assert.False(float.IsNaN(_model.Score([new SequencePart.Image(picture)]).DiffusionLoss));
        }
        for (int i = 0; i < 8; i++)
            Work(i, captionsInTurn, drawingsInTurn);

        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i => Work(i, captions, drawings));

        Assert.Equal(captionsInTurn, captions);
        Assert.Equal(drawingsInTurn, drawings);
    }

    [Fact]
    public void Captions_and_drawings_of_a_batch_are_those_of_each_alone_in_any_order()
    {
        using var scope = NewDisposeScope();
        int[] order = [3, 0, 7, 5, 1, 2, 6, 4];
        GenerationOptions sampled = Options with { Temperature = 1, Sampler = DiffusionSamplerType.Ddpm };
        Tensor[] pictures = [.. Enumerable.Range(0, 8).Select(CaptionedPictures.Pixels)];

        string[] together = _model.CaptionBatch([.. order.Select(i => pictures[i])], sampled, default);
        Tensor[] drawnTogether = _model.GenerateImageBatch([.. order.Select(i => CaptionedPictures.Captions[i])], sampled, default);

        for (int at = 0; at < order.Length; at++)
        {
            Assert.Equal(_model.CaptionBatch([pictures[order[at]]], sampled, default)[0], together[at]);
            TensorAssert.Close(_model.GenerateImageBatch([CaptionedPictures.Captions[order[at]]], sampled, default)[0], drawnTogether[at], 1e-4);
        }
    }

    [Fact]
    public void GenerateImage_is_decided_by_the_seed_and_the_prompt()
    {
        byte[] first = Draw(_model, "a barn", Options with { Seed = 5 });

        Assert.Equal(first, Draw(_model, "a barn", Options with { Seed = 5 }));
        Assert.NotEqual(first, Draw(_model, "a barn", Options with { Seed = 6 }));
        Assert.NotEqual(first, Draw(_model, "the sea", Options with { Seed = 5 }));
    }

    [Fact]
    public void GenerateImage_draws_pictures_of_the_trained_size_for_the_empty_prompt_too()
    {
        using MLImage drawn = _model.GenerateImage("", Options);

        Assert.Equal((CaptionedPictures.Size, CaptionedPictures.Size), (drawn.Width, drawn.Height));
    }

    [Fact]
    public void Generate_continues_prompts_of_text_and_pictures()
    {
        using MLImage picture = CaptionedPictures.Picture(0);
        SequencePart[] prompt = [new SequencePart.Text("a barn"), new SequencePart.Image(picture), new SequencePart.Text("and")];

        List<SequencePart>[] runs = [.. Enumerable.Range(0, 2).Select(_ => _model.Generate(prompt, Options with { Temperature = 1, Seed = 3 }).ToList())];

        Assert.Equal(runs[0].OfType<SequencePart.Text>(), runs[1].OfType<SequencePart.Text>());
        Assert.Equal(runs[0].Select(part => part.GetType()), runs[1].Select(part => part.GetType()));
        foreach (SequencePart.Image image in runs.SelectMany(run => run).OfType<SequencePart.Image>())
            image.Value.Dispose();
    }

    [Fact]
    public void Score_is_not_a_number_where_there_is_nothing_to_score()
    {
        using MLImage picture = CaptionedPictures.Picture(0);
        var text = new SequencePart.Text("a barn");
        var image = new SequencePart.Image(picture);

        TransfusionScore both = _model.Score([text, image]), textOnly = _model.Score([text]), imageOnly = _model.Score([image]);

        Assert.True(float.IsFinite(both.LanguageLoss) && float.IsFinite(both.DiffusionLoss));
        Assert.True(both.TokenCount >= CaptionedPictures.Tokenizer.Encode("a barn").Length);
        Assert.True(float.IsFinite(textOnly.LanguageLoss) && float.IsNaN(textOnly.DiffusionLoss));
        Assert.True(float.IsNaN(imageOnly.LanguageLoss) && float.IsFinite(imageOnly.DiffusionLoss));
        Assert.Equal(0, imageOnly.TokenCount);
    }

    [Fact]
    public void Methods_honour_a_cancelled_token()
    {
        var cancelled = new CancellationToken(canceled: true);
        using MLImage picture = CaptionedPictures.Picture(0);

        Assert.Throws<OperationCanceledException>(() => _model.Caption(picture, Options, cancelled));
        Assert.Throws<OperationCanceledException>(() => _model.GenerateImage("a barn", Options, cancelled));
        Assert.Throws<OperationCanceledException>(() => _model.Generate([], Options, cancellationToken: cancelled).ToList());
    }

    public static TheoryData<string, GenerationOptions> WrongOptions => new()
    {
        { "TopP", new() { TopP = 0 } },
        { "TopP", new() { TopP = 1.5 } },
        { "TopK", new() { TopK = -1 } },
        { "Temperature", new() { Temperature = -1 } },
        { "Temperature", new() { Temperature = double.NaN } },
        { "GuidanceScale", new() { GuidanceScale = double.PositiveInfinity } },
        { "GuidanceScale", new() { GuidanceScale = double.NaN } },
        { "GuidanceMinNoise", new() { GuidanceMinNoise = -0.1 } },
        { "GuidanceMaxNoise", new() { GuidanceMinNoise = 0.5, GuidanceMaxNoise = 0.4 } },
        { "NegativePrompt", new() { NegativePrompt = "a barn", GuidanceScale = 1 } },
        { "NegativePrompt", new() { NegativePrompt = null! } },
        { "PreviewInterval", new() { PreviewInterval = -1 } },
        { "MinP", new() { MinP = 1.1 } },
        { "RepetitionPenalty", new() { RepetitionPenalty = 0 } },
        { "NumberOfCandidates", new() { NumberOfCandidates = 0 } },
        { "NumberOfCandidates", new() { NumberOfCandidates = 2 } },
        { "NumberOfImageCandidates", new() { NumberOfImageCandidates = 0 } },
        { "MaxNewTokens", new() { MaxNewTokens = -1 } },
        { "GuidanceRescale", new() { GuidanceRescale = 1.5 } },
        { "Eta", new() { Eta = -0.1 } },
        { "Shift", new() { Shift = 0 } },
        { "TimestepOffset", new() { TimestepOffset = -1 } },
        { "DpmSolver", new() { DpmSolver = null! } },
        { "DpmSolver.Order", new() { DpmSolver = new() { Order = 4 } } },
        { "DpmSolver.IsStochastic to false", new() { DpmSolver = new() { Order = 3 } } },
    };

    [Theory]
    [MemberData(nameof(WrongOptions), DisableDiscoveryEnumeration = true)]
    public void Methods_name_the_option_that_is_out_of_range(string name, GenerationOptions options)
    {
        using MLImage picture = CaptionedPictures.Picture(0);
        foreach (Func<object> act in (Func<object>[])[() => _model.Caption(picture, options), () => _model.GenerateImage("a barn", options), () => _model.Generate([], options).ToList()])
            Assert.Contains(name, Assert.Throws<ArgumentOutOfRangeException>(act).Message);
    }

    [Fact]
    public void Drawing_names_the_sampler_that_does_not_fit_and_captioning_does_not_mind()
    {
        GenerationOptions ofFlow = Options with { Sampler = DiffusionSamplerType.Euler };
        using MLImage picture = CaptionedPictures.Picture(0);

        Assert.Contains("Auto or DpmSolver, Ddim or Ddpm", Assert.ThrowsAny<ArgumentException>(() => _model.GenerateImage("a barn", ofFlow)).Message, StringComparison.Ordinal);
        Assert.ThrowsAny<ArgumentException>(() => _model.Generate([], ofFlow).ToList());
        Assert.NotNull(_model.Caption(picture, ofFlow));
    }

    [Fact]
    public void Generate_takes_any_limit_of_tokens()
    {
        GenerationOptions endless = Options with { MaxNewTokens = int.MaxValue, Temperature = 1 };
        using MLImage picture = CaptionedPictures.Picture(0);

        Assert.NotNull(_model.Caption(picture, endless));
        foreach (SequencePart.Image image in _model.Generate([], endless).OfType<SequencePart.Image>())
            image.Value.Dispose();
    }

    [Fact]
    public void Methods_refuse_null()
    {
        Assert.Throws<ArgumentNullException>(() => _model.Caption(null!));
        Assert.Throws<ArgumentNullException>(() => _model.GenerateImage((string)null!));
        Assert.Throws<ArgumentNullException>(() => _model.Generate(null!).ToList());
        Assert.Throws<ArgumentNullException>(() => _model.Score(null!));
    }

    [Fact]
    public void Methods_say_that_the_model_was_disposed()
    {
        using var file = new MemoryStream();
        _model.Save(file);
        file.Position = 0;
        TransfusionModel model = TransfusionModel.Load(file);
        using MLImage picture = CaptionedPictures.Picture(0);
        IEnumerator<SequencePart> running = model.Generate([], Options).GetEnumerator();
        model.Dispose();
        model.Dispose();

        Assert.Throws<ObjectDisposedException>(() => model.Caption(picture));
        Assert.Throws<ObjectDisposedException>(() => model.GenerateImage("a barn"));
        Assert.Throws<ObjectDisposedException>(() => running.MoveNext());
        Assert.Throws<ObjectDisposedException>(() => model.Score([new SequencePart.Text("a barn")]));
        Assert.Throws<ObjectDisposedException>(() => model.Save(new MemoryStream()));
        running.Dispose();
    }

    [Fact]
    public void Captions_drawings_and_scores_leave_no_tensor_behind()
    {
        using MLImage picture = CaptionedPictures.Picture(0);
        void Caption() => _model.Caption(picture, Options);
        void DrawOne() => Draw(_model, "a barn", Options);
        void Score() => _model.Score([new SequencePart.Text("a barn"), new SequencePart.Image(picture)]);
        Caption();
        DrawOne();

        LeakCheck.Holds(Caption, times: 50);
        LeakCheck.Holds(DrawOne, times: 20);
        LeakCheck.Holds(Score, times: 5);
    }

    [Fact]
    public void Generate_leaves_no_tensor_behind_when_it_ends_is_left_or_is_cancelled()
    {
        using MLImage picture = CaptionedPictures.Picture(0);
        GenerationOptions sampled = Options with { Temperature = 2 };
        SequencePart[] prompt = [new SequencePart.Image(picture)];
        void Discard(IEnumerable<SequencePart> parts)
        {
            foreach (SequencePart part in parts)
                (part as SequencePart.Image)?.Value.Dispose();
        }

        for (int seed = 0; seed < 5; seed++)
        {
            LeakCheck.Holds(() => Discard(_model.Generate(prompt, sampled with { Seed = seed })), times: 1);
            LeakCheck.Holds(() => Discard(_model.Generate(prompt, sampled with { Seed = seed }).Take(1)), times: 1);
        }
        LeakCheck.Holds(() => Assert.Throws<OperationCanceledException>(() => Discard(_model.Generate(prompt, sampled, cancellationToken: new CancellationToken(true)))), times: 1);
    }

    [Fact]
    public void Train_and_Load_give_a_model_that_outlives_the_dispose_scope_around_them()
    {
        TransfusionModel model;
        using (NewDisposeScope())
            model = CaptionedPictures.Train(steps: 2);
        using var file = new MemoryStream();
        model.Save(file);
        file.Position = 0;
        TransfusionModel loaded;
        using (NewDisposeScope())
            loaded = TransfusionModel.Load(file);

        Assert.Equal(Draw(model, "a barn", Options), Draw(loaded, "a barn", Options));
        model.Dispose();
        loaded.Dispose();
    }

    private static byte[] Draw(TransfusionModel model, string prompt, GenerationOptions options)
    {
        using MLImage image = model.GenerateImage(prompt, options);
        return image.Pixels.ToArray();
    }
}
