using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Generation;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tests.Modeling;
using Microsoft.ML.Transfusion.Tests.Training;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Generation;

/// <summary>Pictures of codes: laid out, learned and drawn as tokens.</summary>
public sealed class CodeImagesTests : IDisposable
{
    private const int Codes = 7;
    private const int Side = 2;
    private static readonly SpecialTokens Special = TinyNetwork.Special with { FirstCode = RandomNetwork.Vocabulary };
    private static readonly GenerationOptions Options = new() { MaxNewTokens = 12, GuidanceScale = 1 };

    private static readonly TransfusionConfig Config = TinyNetwork.Config with
    {
        Image = new() { ImageHeight = 2 * Side, ImageWidth = 2 * Side, PatchSize = 1 },
        Latents = new LatentConfig { NumberOfChannels = 3, DownsamplingFactor = 2, NumberOfCodes = Codes },
    };

    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly TransfusionNetwork _network = new(Config.Transformer, RandomNetwork.Vocabulary + Codes, 1, Side * Side);
    private readonly DiffusionProcess _diffusion = DiffusionProcess.Create(Config.Diffusion, CPU);
    private readonly CpuInference _inference;
    private readonly GenerationQueue _queue;

    public CodeImagesTests()
    {
        using var noGradient = no_grad();
        using var generator = new Generator(1, CPU);
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in _network.named_parameters())
            parameter.normal_(name.Contains("norm", StringComparison.Ordinal) ? 1 : 0, 0.4, generator);
        _inference = new CpuInference(_network);
        _queue = new GenerationQueue(new SequenceGenerator(_inference, Config, Special, RandomNetwork.Vocabulary, _diffusion), () => 1024);
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
    public void A_row_holds_codes_as_tokens_and_learns_them_beside_its_text()
    {
        using SequenceBatch batch = Batch(new ArrangedDocument([new TextPart([7, 8]), Image(3, 0, 6, 1)], [1000]));
        long[] positions = batch.CodePositions.data<long>().ToArray();

        Assert.Equal([Special.BeginOfSequence, 7, 8, Special.BeginOfImage, 53, 50, 56, 51, Special.EndOfImage, Special.EndOfSequence], batch.TokenIds.data<long>().ToArray().Select(id => (int)id));
        Assert.Equal([3L, 4, 5, 6], positions);                                     // BOI and all codes but the last
        Assert.Equal([53L, 50, 56, 51], batch.Codes.data<long>().ToArray());
        Assert.Equal([7L, 8, Special.BeginOfImage, Special.EndOfSequence], batch.Targets.data<long>().ToArray());
        Assert.Null(batch.Images);
        Assert.Single(batch.Mask.Segments());                                       // one causal run
    }

    [Fact]
    public void A_picture_that_lost_its_caption_is_learned_and_its_end_is_not()
    {
        using SequenceBatch batch = Batch(new ArrangedDocument([Image(1, 2, 3, 4)], [1000], HasLanguageLoss: false));

        Assert.Equal(0, batch.Targets.shape[0]);
        Assert.Equal(4, batch.Codes.shape[0]);
    }

    [Fact]
    public void The_loss_is_the_mean_over_all_tokens_and_shares_of_a_batch_add_up_to_it()
    {
        ArrangedDocument[] rows = [new([new TextPart([7, 8]), Image(3, 0, 6, 1)], [1000]), new([Image(2, 2, 5, 4), new TextPart([9])], [1000]), new([Image(0, 1, 2, 3)], [1000], HasLanguageLoss: false)];
        using SequenceBatch batch = Batch(rows);
        LossParts whole = Compute(batch);
        double sum = whole.LanguageLoss!.sum().ToDouble() + 4 * whole.DiffusionLoss!.sum().ToDouble();
        long tokens = batch.Targets.shape[0], images = batch.NoisedImages;

        double shares = 0;
        for (int row = 0; row < rows.Length; row++)
        {
            using SequenceBatch share = batch.Slice(row, 1);
            shares += Compute(share).Total(9, 0, tokens, images).ToDouble();
        }

        Assert.Equal((7L, 3L), (tokens, images));
        Assert.Equal(sum / (7 + 3 * 4), whole.Total(9).ToDouble(), 1e-5);
        Assert.Equal(sum / (7 + 3 * 4), shares, 1e-5);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void The_likeliest_codes_are_those_of_one_pass_over_the_whole_sequence(double guidance)
    {
        var prompt = new Document([new TextPart([7, 8])]);
        float[] drawn = Draw([prompt], Options with { TopK = 1, GuidanceScale = guidance })[0];

        Tensor with = Logits([.. prompt.Parts, Image(drawn)]), without = Logits([Image(drawn)]);
        Tensor guided = without + guidance * (with - without);

        Assert.Equal(guided.argmax(1).data<long>().ToArray(), drawn.Select(code => (long)code));
    }

    [Fact]
    public void Rows_of_a_batch_are_those_of_each_prompt_alone_and_depend_on_the_seed()
    {
        Document[] prompts = [.. Enumerable.Range(1, 5).Select(i => new Document([new TextPart([i, 2 * i])]))];
        GenerationOptions options = Options with { GuidanceScale = 2 };
        float[][] together = Draw(prompts, options), alone = [.. prompts.Select((prompt, row) => Draw([prompt], options, row)[0])];

        Assert.Equal(alone, together);
        Assert.NotEqual(together, Draw(prompts, options, 100));
        Assert.All(together.SelectMany(row => row), code => Assert.InRange(code, 0, Codes - 1));
    }

    [Fact]
    public void A_mask_keeps_the_codes_of_the_source()
    {
        Tensor source = tensor(new float[] { 6, 5, 4, 3 }, [1, 2, 2]), mask = tensor(new float[] { 0, 1, 1, 0 }, [1, 2, 2]);
        IReadOnlyList<GenerationRow> rows = _queue.Run([.. Enumerable.Range(0, 20).Select(seed => new RowRequest(new Document([new TextPart([3])]), RowMode.Image, Options, (ulong)seed)
        {
            Start = new ImageStart(source, 1, mask),
        })]);
        float[][] drawn = [.. rows.Select(Values)];

        Assert.All(drawn, codes => Assert.Equal((6f, 3f), (codes[0], codes[3])));
        Assert.True(drawn.Select(codes => (codes[1], codes[2])).Distinct().Count() > 1);
    }

    [Fact]
    public void A_mixed_answer_goes_on_after_its_picture_as_one_pass_over_all_of_it_would()
    {
        for (int seed = 0; ; seed++)
        {
            Assert.True(seed < 300, "No answer had text after a picture.");
            GenerationRow row = _queue.Run([new RowRequest(new Document([]), RowMode.Mixed, Options with { Temperature = 1.5, TopK = 0 }, (ulong)seed)])[0];
            if (row.Parts is not [.., ImagePart, TextPart { TokenIds.Length: > 1 }])
                continue;
            // What the row gathered of its own tokens' likelihoods is what one pass over all of it gives: text, begins of images and the end.
            using SequenceBatch batch = SequenceBatch.Create([new ArrangedDocument(row.Parts, [.. row.Parts.OfType<ImagePart>().Select(_ => 1000)])], Special, Side * Side, row.LikelihoodCount > row.Parts.Sum(Chosen), images: ImagePositionKind.Codes);
            using var noGradient = no_grad();
            Tensor hidden = _network.Forward(_network.EmbedTokens(batch.TokenIds).index_select(0, batch.Order).unsqueeze(0), batch.Mask)[0];
            Tensor logits = _network.Logits(hidden.index_select(0, batch.TargetPositions));
            bool[] allowed = SequenceGenerator.Allow(Special, RandomNetwork.Vocabulary + Codes, Special.EndOfSequence, Special.BeginOfImage);
            long[] targets = batch.Targets.data<long>().ToArray();
            double expected = targets.Select((token, at) => TokenSampler.LogProbability(logits[at].data<float>().ToArray(), allowed, (int)token)).Sum();
            Assert.Equal(row.LikelihoodCount, targets.Length);
            Assert.Equal(expected, row.LogLikelihood, 1e-3);
            return;
        }
    }

    /// <summary>Tokens that were chosen for a part: its text, or the begin of an image.</summary>
    private static int Chosen(DocumentPart part) => part is TextPart text ? text.TokenIds.Length : 1;

    private static ImagePart Image(params float[] codes) => new(tensor(codes, [1, Side, Side]));

    private static SequenceBatch Batch(params ArrangedDocument[] rows) => SequenceBatch.Create(rows, Special, Side * Side, images: ImagePositionKind.Codes);

    private LossParts Compute(SequenceBatch batch) => TransfusionLoss.Compute(_network, _diffusion, batch, Config.Grid, draw: null);

    /// <summary>Logits of an image's codes, [4, codes], by the training network.</summary>
    private Tensor Logits(DocumentPart[] parts)
    {
        using var noGradient = no_grad();
        using SequenceBatch batch = Batch(new ArrangedDocument(parts, [1000]));
        Tensor hidden = _network.Forward(_network.EmbedTokens(batch.TokenIds).index_select(0, batch.Order).unsqueeze(0), batch.Mask)[0];
        return _network.Logits(hidden.index_select(0, batch.CodePositions)).narrow(1, RandomNetwork.Vocabulary, Codes);
    }

    private float[][] Draw(Document[] prompts, GenerationOptions options, int firstSeed = 0) =>
        [.. _queue.Run([.. prompts.Select((prompt, row) => new RowRequest(prompt, RowMode.Image, options, (ulong)(firstSeed + row)))]).Select(Values)];

    private static float[] Values(GenerationRow row)
    {
        using Tensor latents = ((ImagePart)row.Parts[^1]).Latents;
        return latents.data<float>().ToArray();
    }
}
