using Microsoft.ML.Transfusion.Generation;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tests.Modeling;
using Microsoft.ML.Transfusion.Tests.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Generation;

public sealed class SequenceGeneratorTests : IDisposable
{
    private static readonly GenerationOptions Options = new() { NumberOfInferenceSteps = 5, MaxNewTokens = 20, Temperature = 1 };
    private static readonly TransfusionConfig Config = TinyNetwork.Config with { Diffusion = new() { Prediction = PredictionType.Sample } };

    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly TransfusionNetwork _network = RandomNetwork.Create(Config.Transformer);
    private readonly SequenceGenerator _generator;
    private readonly Document[] _pairs = TinyNetwork.Documents(6);

    public SequenceGeneratorTests() => _generator = new SequenceGenerator(_network, Config, TinyNetwork.Special, RandomNetwork.Vocabulary);

    public void Dispose()
    {
        _generator.Dispose();
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
        MakeAllTokensEquallyLikely();                                 // 45 text tokens and EOS: a row goes on with probability 45/46 each time
        var prompt = new Document([]);

        int[][] rows = Continue([.. Enumerable.Repeat(prompt, 300)], Options with { MaxNewTokens = 40 });

        double ended = 1 - Math.Pow(45.0 / 46, 40);
        Assert.Equal(ended, rows.Count(row => row.Length < 40) / 300.0, 0.13);
        Assert.InRange(rows.Count(row => row.Length == 0), 1, 25);
    }

    [Fact]
    public void ContinueText_ends_where_the_context_does()
    {
        var prompt = new Document([new TextPart([.. Enumerable.Repeat(1, 40)])]);
        MakeAllTokensEquallyLikely();

        int[] row = Continue([prompt], Options with { MaxNewTokens = 500, Temperature = 0 })[0];

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
        Tensor patches = _network.EmbedPatches(Patches.Patchify(batch.Images!, 2), zeros(1, ScalarType.Int64)).flatten(0, 1);
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
            TensorAssert.Close(Draw([prompts[row]], options, [(ulong)row + 1])[0], together[row], 1e-4, $"row {row}");
        TensorAssert.Close(together.flip(0), Draw([.. prompts.Reverse()], options, [4, 3, 2, 1]), 1e-4, "reversed");
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
    public void Generate_gives_text_and_images_in_turns_within_the_context()
    {
        MakeAllTokensEquallyLikely();
        var kinds = new HashSet<Type>();
        for (ulong seed = 0; seed < 40; seed++)
        {
            using var random = new Generator(seed, CPU);
            DocumentPart[] parts = [.. _generator.Generate(_pairs[0], Options with { MaxNewTokens = 60 }, random, default)];

            Assert.InRange(SequenceBatch.LengthOf(_pairs[0].Parts, 4) + SequenceBatch.LengthOf(parts, 4) - 3, 0, 64);
            Assert.DoesNotContain(parts.Zip(parts.Skip(1)), pair => pair.First is TextPart && pair.Second is TextPart);
            Assert.All(parts.OfType<TextPart>(), text => Assert.NotEmpty(text.TokenIds));
            Assert.All(parts.OfType<TextPart>().SelectMany(text => text.TokenIds), token => Assert.InRange(token, 0, RandomNetwork.Vocabulary - 6));
            foreach (ImagePart image in parts.OfType<ImagePart>())
            {
                Assert.Equal([3, 4, 4], image.Latents.shape);
                image.Latents.Dispose();
            }
            kinds.UnionWith(parts.Select(part => part.GetType()));
        }
        Assert.Equal(2, kinds.Count);
    }

    [Fact]
    public void Generate_stops_between_parts_when_it_is_cancelled()
    {
        MakeAllTokensEquallyLikely();
        int stopped = 0;
        for (ulong seed = 0; seed < 20; seed++)
        {
            using var random = new Generator(seed, CPU);
            using var cancellation = new CancellationTokenSource();
            using IEnumerator<DocumentPart> parts = _generator.Generate(new Document([]), Options, random, cancellation.Token).GetEnumerator();
            if (!parts.MoveNext() || parts.Current is not TextPart)
                continue;
            cancellation.Cancel();
            try
            {
                Assert.False(parts.MoveNext());                       // the text was the end of it
            }
            catch (OperationCanceledException)
            {
                stopped++;
            }
        }
        Assert.InRange(stopped, 1, 20);
    }

    private void MakeAllTokensEquallyLikely()
    {
        using var noGradient = no_grad();
        _network.get_parameter("lm_head.weight")!.zero_();
    }

    private int[][] Continue(Document[] prompts, GenerationOptions options)
    {
        using var seeds = new RowGenerators(prompts.Select((_, row) => (ulong)row));
        return _generator.ContinueText(prompts, options, seeds.Generators, default);
    }

    private Tensor Draw(Document[] prompts, GenerationOptions options, ulong[] seeds)
    {
        using var generators = new RowGenerators(seeds);
        return _generator.DrawImages(prompts, options, generators.Generators, default);
    }
}
