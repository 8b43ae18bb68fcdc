using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Generation;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tests.Modeling;
using Microsoft.ML.Transfusion.Tests.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Generation;

public sealed partial class SequenceGeneratorTests : IDisposable
{
    private static readonly GenerationOptions Options = new() { NumberOfInferenceSteps = 5, MaxNewTokens = 20, Temperature = 1 };
    private static readonly TransfusionConfig Config = TinyNetwork.Config with { Diffusion = new() { Prediction = PredictionType.Sample } };

    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly TransfusionNetwork _network = RandomNetwork.Create(Config.Transformer);
    private readonly CpuInference _inference;
    private readonly DiffusionProcess _diffusion = DiffusionProcess.Create(Config.Diffusion, CPU);
    private readonly GenerationQueue _queue;
    private readonly Document[] _pairs = TinyNetwork.Documents(6);

    public SequenceGeneratorTests()
    {
        _inference = new CpuInference(_network);
        _queue = Queue(_inference);
    }

    public void Dispose()
    {
        _queue.Dispose();
        _inference.Dispose();
        _diffusion.Dispose();
        _network.Dispose();
        _scope.Dispose();
    }

    [Fact]
    public void ContinueText_gives_text_tokens_up_to_the_limit()
    {
        int[][] rows = Continue([.. _pairs.Select(pair => new Document([pair.Parts[1]]))], Options);

        Assert.All(rows, row => Assert.InRange(row.Length, 0, Options.MaxNewTokens));
        Assert.Contains(rows, row => row.Length > 0);
        Assert.All(rows.SelectMany(row => row), token => Assert.InRange(token, 0, RandomNetwork.Vocabulary - 6));
    }

    [Fact]
    public void ContinueText_ends_where_the_end_of_sequence_is_drawn()
    {
        GenerationQueue queue = QueueWhereAllTokensAreEquallyLikely(); // 45 text tokens and EOS: a row goes on with probability 45/46 each time
        var prompt = new Document([]);

        int[][] rows = Continue([.. Enumerable.Repeat(prompt, 300)], Options with { MaxNewTokens = 40 }, queue);

        double ended = 1 - Math.Pow(45.0 / 46, 40);
        Assert.Equal(ended, rows.Count(row => row.Length < 40) / 300.0, 0.13);
        Assert.InRange(rows.Count(row => row.Length == 0), 1, 25);
    }

    [Fact]
    public void ContinueText_ends_where_the_context_does()
    {
        var prompt = new Document([new TextPart([.. Enumerable.Repeat(1, 40)])]);
        GenerationQueue queue = QueueWhereAllTokensAreEquallyLikely();

        int[] row = Continue([prompt], Options with { MaxNewTokens = 500, Temperature = 0 }, queue)[0];

        Assert.InRange(row.Length, 64 - 41 - 1, 64 - 41 + 1);
    }

    [Fact]
    public void ContinueText_reads_the_prompt()
    {
        Document[] prompts = [.. _pairs.Select(pair => new Document([pair.Parts[1]]))];
        int[][] rows = Continue(prompts, Options with { Temperature = 0 });

        Assert.True(rows.Select(row => string.Join(' ', row)).Distinct().Count() > 1);
    }

    [Fact]
    public void ContinueText_follows_one_pass_of_the_network_over_the_whole_sequence()
    {
        Document prompt = new([_pairs[0].Parts[1]]);
        int[] row = Continue([prompt], Options with { Temperature = 0, MaxNewTokens = 12 })[0];
        using var noGradient = no_grad();
        using var batch = SequenceBatch.Create([new ArrangedDocument([.. prompt.Parts, new TextPart(row)], [])], TinyNetwork.Special, 4, endSequences: false);
        Tensor patches = _network.EmbedPatches(TinyNetwork.Config.Grid.Patchify(batch.Images!), zeros(1, ScalarType.Int64)).flatten(0, 1);
        Tensor positions = cat([_network.EmbedTokens(batch.TokenIds), patches], 0).index_select(0, batch.Order).unsqueeze(0);

        Tensor logits = _network.Logits(_network.Forward(positions, batch.Mask)[0]);

        Assert.NotEmpty(row);
        Tensor text = logits.narrow(1, 0, RandomNetwork.Vocabulary - 5);
        for (int i = 0; i < row.Length; i++)
            Assert.Equal(row[i], (int)text[6 + i].argmax().ToInt64());                 // BOS, BOI, four patches, EOI; the token after position 6 + i
    }

    [Theory]
    [InlineData(DiffusionSamplerType.Ddim, 1)]
    [InlineData(DiffusionSamplerType.Ddpm, 3)]
    public void DrawImages_of_a_batch_are_those_of_each_prompt_alone(DiffusionSamplerType sampler, double guidance)
    {
        GenerationOptions options = Options with { Sampler = sampler, GuidanceScale = guidance };
        Document[] prompts = [.. Enumerable.Range(1, 4).Select(i => new Document([new TextPart([i, 2 * i])]))];
        Tensor together = Draw(prompts, options, [1, 2, 3, 4]);

        for (int row = 0; row < 4; row++)
            TensorAssert.Close(Draw([prompts[row]], options, [(ulong)row + 1])[0], together[row], 0, $"row {row}");
        TensorAssert.Close(together.flip(0), Draw([.. prompts.Reverse()], options, [4, 3, 2, 1]), 0, "reversed");
    }

    [Fact]
    public void DrawImages_gives_clean_images_that_depend_on_prompt_and_seed()
    {
        Document one = new([new TextPart([1])]), other = new([new TextPart([2])]);
        Tensor first = Draw([one], Options, [1]);

        Assert.Equal([1, 3, 4, 4], first.shape);
        Assert.InRange(first.abs().max().ToDouble(), 0, 1 + 1e-5);
        TensorAssert.Close(first, Draw([one], Options, [1]), 0);
        TensorAssert.Differ(first, Draw([one], Options, [2]), 1e-4);
        TensorAssert.Differ(first, Draw([other], Options, [1]), 1e-4);
    }

    [Fact]
    public void Guidance_changes_nothing_when_there_is_nothing_to_follow()
    {
        Document empty = new([]);

        Tensor plain = Draw([empty], Options with { GuidanceScale = 1 }, [1]);

        TensorAssert.Close(plain, Draw([empty], Options with { GuidanceScale = 7 }, [1]), 1e-4);
    }

    [Fact]
    public void Guidance_of_0_draws_as_if_there_were_no_prompt()
    {
        Tensor unconditional = Draw([new Document([])], Options with { GuidanceScale = 1 }, [1]);

        TensorAssert.Close(unconditional, Draw([new Document([new TextPart([1, 2])])], Options with { GuidanceScale = 0 }, [1]), 1e-4);
    }

    [Fact]
    public void Mixed_rows_give_text_and_images_in_turns_within_the_context()
    {
        GenerationQueue queue = QueueWhereAllTokensAreEquallyLikely();
        IReadOnlyList<GenerationRow> rows = queue.Run([.. Enumerable.Range(0, 40).Select(seed => new RowRequest(_pairs[0], RowMode.Mixed, Options with { MaxNewTokens = 60 }, (ulong)seed))]);

        foreach (GenerationRow row in rows)
        {
            IReadOnlyList<DocumentPart> parts = row.Parts;
            Assert.InRange(SequenceBatch.LengthOf(_pairs[0].Parts, 4) + SequenceBatch.LengthOf(parts, 4) - 3, 0, 64);
            Assert.DoesNotContain(parts.Zip(parts.Skip(1)), pair => pair.First is TextPart && pair.Second is TextPart);
            Assert.All(parts.OfType<TextPart>(), text => Assert.NotEmpty(text.TokenIds));
            Assert.All(parts.OfType<TextPart>().SelectMany(text => text.TokenIds), token => Assert.InRange(token, 0, RandomNetwork.Vocabulary - 6));
            Assert.All(parts.OfType<ImagePart>(), image => Assert.Equal([3, 4, 4], image.Latents.shape));
        }
        Assert.Equal(2, rows.SelectMany(row => row.Parts).Select(part => part.GetType()).Distinct().Count());
        Dispose(rows);
    }

    /// <summary>Different modes, lengths and settings in one batch; every row must be what it is alone, and what it is without any cache: bit for bit.</summary>
    [Fact]
    public void Rows_of_random_mixed_prompts_are_the_same_together_alone_and_without_a_cache()
    {
        var random = new Random(5);
        RowRequest[] requests = [.. Enumerable.Range(0, 200).Select(row => RandomRequest(random, (ulong)row))];
        IReadOnlyList<GenerationRow> together = _queue.Run(requests);
        using GenerationQueue uncached = Queue(new UncachedInference(_inference));
        IReadOnlyList<GenerationRow> without = uncached.Run(requests);
        IReadOnlyList<GenerationRow> reversed = _queue.Run([.. requests.Reverse()]);

        for (int row = 0; row < requests.Length; row++)
        {
            IReadOnlyList<GenerationRow> alone = _queue.Run([requests[row]]);
            AssertSame(alone[0], together[row]);
            AssertSame(alone[0], without[row]);
            AssertSame(alone[0], reversed[^(row + 1)]);
            Dispose(alone);
        }
        Assert.Contains(together, row => row.Parts.OfType<ImagePart>().Count() > 1);
        Assert.Contains(together, row => row.Parts.Count == 0);
        Dispose([.. together, .. without, .. reversed]);
    }

    [Fact]
    public void Libtorchs_network_gives_the_same_tokens_and_nearly_the_same_images()
    {
        var random = new Random(6);
        RowRequest[] requests = [.. Enumerable.Range(0, 40).Select(row => RandomRequest(random, (ulong)row))];
        IReadOnlyList<GenerationRow> expected = _queue.Run(requests);
        using GenerationQueue queue = Queue(new TorchInference(_network));
        IReadOnlyList<GenerationRow> rows = queue.Run(requests);

        foreach ((GenerationRow row, GenerationRow own) in rows.Zip(expected))
            AssertSame(own, row, tolerance: 1e-3);
        Dispose([.. expected, .. rows]);
    }

    [Fact]
    public void A_guidance_scale_of_1_is_no_guidance()
    {
        var prompt = new Document([new TextPart([1, 2])]);
        Tensor plain = Draw([prompt], Options with { GuidanceScale = 1 }, [3]);

        Tensor nearly = Draw([prompt], Options with { GuidanceScale = 1 + 1e-9 }, [3]);
        Tensor outside = Draw([prompt], Options with { GuidanceScale = 5, GuidanceMinNoise = 0.2, GuidanceMaxNoise = 0.2 + 1e-9 }, [3]);

        TensorAssert.Close(plain, nearly, 1e-5);
        TensorAssert.Close(plain, outside, 0);
    }

    private static RowRequest RandomRequest(Random random, ulong seed)
    {
        RowMode mode = (RowMode)random.Next(3);
        List<DocumentPart> parts = [];
        for (int part = random.Next(4); part > 0; part--)
            parts.Add(random.Next(3) == 0 ? new ImagePart(randn([3, 4, 4]).DetachFromDisposeScope()) : TinyNetwork.Text(random));
        return new RowRequest(new Document(parts), mode, Options with
        {
            MaxNewTokens = random.Next(0, 25),
            Temperature = random.Next(2),
            TopK = random.Next(2) * 20,
            MinP = random.Next(2) * 0.05,
            RepetitionPenalty = 1 + random.Next(2) * 0.3,
            NumberOfInferenceSteps = random.Next(1, 5),
            GuidanceScale = random.Next(1, 4),
            GuidanceRescale = random.Next(2) * 0.5,
        }, seed)
        { NegativePrompt = random.Next(4) == 0 ? [1, 2, 3] : null };
    }

    private static void AssertSame(GenerationRow expected, GenerationRow row, double tolerance = 0)
    {
        Assert.Equal(expected.Parts.Select(part => part.GetType()), row.Parts.Select(part => part.GetType()));
        foreach ((DocumentPart own, DocumentPart part) in expected.Parts.Zip(row.Parts))
            if (own is TextPart text)
                Assert.Equal(text.TokenIds, ((TextPart)part).TokenIds);
            else
                TensorAssert.Close(((ImagePart)own).Latents, ((ImagePart)part).Latents, tolerance);
    }

    private GenerationQueue Queue(IInferenceNetwork network) =>
        new(new SequenceGenerator(network, Config, TinyNetwork.Special, RandomNetwork.Vocabulary, _diffusion), () => 1000);

    private GenerationQueue QueueWhereAllTokensAreEquallyLikely()
    {
        using (no_grad())
            _network.get_parameter("lm_head.weight")!.zero_();
        return Queue(new CpuInference(_network));
    }

    private int[][] Continue(Document[] prompts, GenerationOptions options, GenerationQueue? queue = null) =>
        [.. (queue ?? _queue).Run([.. prompts.Select((prompt, row) => new RowRequest(prompt, RowMode.Text, options, (ulong)row))])
            .Select(row => row.Parts.OfType<TextPart>().SelectMany(text => text.TokenIds).ToArray())];

    private Tensor Draw(Document[] prompts, GenerationOptions options, ulong[] seeds) =>
        Images(_queue.Run([.. prompts.Select((prompt, row) => new RowRequest(prompt, RowMode.Image, options, seeds[row]))]));

    private static Tensor Images(IReadOnlyList<GenerationRow> rows) => stack([.. rows.Select(row => ((ImagePart)row.Parts[^1]).Latents)]);

    private static void Dispose(IReadOnlyList<GenerationRow> rows)
    {
        foreach (GenerationRow row in rows)
            row.DisposeImages();
    }
}
