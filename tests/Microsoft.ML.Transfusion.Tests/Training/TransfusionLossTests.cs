using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tests.Modeling;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Training;

public sealed class TransfusionLossTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Generator _generator = new(1, CPU);
    private readonly TransfusionNetwork _network = RandomNetwork.Create(TinyNetwork.Config.Transformer);
    private readonly GaussianDiffusion _diffusion = new(TinyNetwork.Config.Diffusion, CPU);

    public void Dispose()
    {
        _network.Dispose();
        _diffusion.Dispose();
        _generator.Dispose();
        _scope.Dispose();
    }

    [Fact]
    public void Compute_gives_the_losses_of_each_row_alone_when_layouts_differ()
    {
        Document[] pairs = TinyNetwork.Documents(2);
        ArrangedDocument[] rows =
        [
            .. ((Document[])[pairs[0], new([.. pairs[1].Parts.Reverse()]), new([pairs[0].Parts[0]]), new([pairs[1].Parts[1], pairs[0].Parts[1], pairs[1].Parts[0]])])
                .Select(document => Arrangement.AsIs(document, TinyNetwork.Config.Diffusion)),
        ];
        using SequenceBatch batch = Batch(rows);
        NoiseDraw draw = NoiseDraw.Random(batch, TinyNetwork.Config.Diffusion, _generator);

        LossParts together = Compute(batch, draw);

        long token = 0, image = 0;
        for (int row = 0; row < rows.Length; row++)
        {
            using SequenceBatch alone = Batch(rows[row]);
            int images = alone.MaxTimesteps.Length;
            NoiseDraw? own = images == 0 ? null : new NoiseDraw(draw.Timesteps.narrow(0, image, images), draw.Noise.narrow(0, image, images));
            LossParts parts = Compute(alone, own);
            TensorAssert.Close(parts.LanguageLoss!, together.LanguageLoss!.narrow(0, token, batch.TargetsOfRow[row]), 1e-4, $"text of row {row}");
            if (images > 0)
                TensorAssert.Close(parts.DiffusionLoss!, together.DiffusionLoss!.narrow(0, image, images), 1e-4, $"images of row {row}");
            (token, image) = (token + batch.TargetsOfRow[row], image + images);
        }
        Assert.Equal(together.LanguageLoss!.shape[0], token);
        Assert.Equal(together.DiffusionLoss!.shape[0], image);
    }

    [Fact]
    public void Compute_has_no_part_for_what_the_batch_lacks()
    {
        DocumentPart[] pair = [.. TinyNetwork.Documents(1)[0].Parts];
        using SequenceBatch text = Batch(new ArrangedDocument([pair[0]], [])), image = Batch(new ArrangedDocument([pair[1]], [1000], HasLanguageLoss: false));

        LossParts ofText = Compute(text, null), ofImage = Compute(image, NoiseDraw.Random(image, TinyNetwork.Config.Diffusion, _generator));

        Assert.Null(ofText.DiffusionLoss);
        Assert.Null(ofImage.LanguageLoss);
        Assert.Equal(ofText.LanguageLoss!.mean().ToSingle(), ofText.Total(5).ToSingle());
        Assert.Equal(5 * ofImage.DiffusionLoss!.mean().ToSingle(), ofImage.Total(5).ToSingle(), 1e-4f);
    }

    [Fact]
    public void Total_is_the_mean_over_tokens_and_lambda_times_the_mean_over_images() =>
        Assert.Equal(2 + 5 * 3, new LossParts(tensor(new[] { 1f, 3 }), tensor(new[] { 2f, 3, 4 })).Total(5).ToSingle(), 1e-5f);

    [Theory]
    [InlineData(TimestepDistribution.Uniform, 1.0 / 2)]
    [InlineData(TimestepDistribution.LogitNormal, 1.0 / 2)]
    public void Random_draws_timesteps_below_the_limit_of_each_image_evenly_where_it_is_limited(TimestepDistribution distribution, double mean)
    {
        var image = (ImagePart)TinyNetwork.Documents(1)[0].Parts[1];
        ArrangedDocument document = new([.. Enumerable.Repeat(image, 4000)], [.. Enumerable.Range(0, 4000).Select(i => i % 2 == 0 ? 1000 : 501)]);
        using SequenceBatch batch = Batch(document);

        NoiseDraw draw = NoiseDraw.Random(batch, new DiffusionConfig { Timesteps = distribution }, _generator);

        long[] timesteps = draw.Timesteps.data<long>().ToArray();
        long[] free = [.. timesteps.Where((_, i) => i % 2 == 0)], limited = [.. timesteps.Where((_, i) => i % 2 == 1)];
        Assert.All(free, timestep => Assert.InRange(timestep, 0, 999));
        Assert.All(limited, timestep => Assert.InRange(timestep, 0, 500));
        Assert.Equal(mean * 1000, free.Average(), 25.0);
        Assert.Equal(501 / 2.0, limited.Average(), 13.0);
        Assert.Contains(limited, timestep => timestep == 500 || timestep > 480);
        Assert.Equal(batch.Images!.shape, draw.Noise.shape);
        Assert.Equal(0, draw.Noise.mean().ToDouble(), 0.01);
        Assert.Equal(1, draw.Noise.std().ToDouble(), 0.01);
    }

    [Theory]
    [InlineData(1.1, 0.8)]
    [InlineData(-0.5, 1.5)]
    public void Random_draws_the_logistic_function_of_a_normal_number_where_asked(double mean, double spread)
    {
        const int Count = 4000;
        var image = (ImagePart)TinyNetwork.Documents(1)[0].Parts[1];
        using SequenceBatch batch = Batch(new ArrangedDocument([.. Enumerable.Repeat(image, Count)], [.. Enumerable.Repeat(1000, Count)]));
        var config = new DiffusionConfig { Timesteps = TimestepDistribution.LogitNormal, TimestepMean = mean, TimestepSpread = spread };

        long[] timesteps = NoiseDraw.Random(batch, config, _generator).Timesteps.data<long>().ToArray();

        foreach ((double deviations, double share) in new[] { (-1.0, 0.158655), (0, 0.5), (1, 0.841345) })
            Assert.Equal(share, (double)timesteps.Count(timestep => timestep < 1000 / (1 + Math.Exp(-mean - deviations * spread))) / Count, 0.025);
    }

    [Fact]
    public void Random_draws_any_noise_level_up_to_the_limit_for_flow_matching()
    {
        var image = (ImagePart)TinyNetwork.Documents(1)[0].Parts[1];
        ArrangedDocument document = new([.. Enumerable.Repeat(image, 3000)], [.. Enumerable.Range(0, 3000).Select(i => i % 3 == 0 ? 1000 : i % 3 == 1 ? 501 : 1)]);
        using SequenceBatch batch = Batch(document);

        float[] timesteps = NoiseDraw.Random(batch, DiffusionConfig.Flow, _generator).Timesteps.data<float>().ToArray();

        float[] free = [.. timesteps.Where((_, i) => i % 3 == 0)], limited = [.. timesteps.Where((_, i) => i % 3 == 1)];
        Assert.InRange(free.Max(), 990, 1000);
        Assert.InRange(limited.Max(), 490, 500);
        Assert.Equal(500, free.Average(), 30f);
        Assert.Equal(250, limited.Average(), 15f);
        Assert.InRange(free.Count(timestep => timestep != MathF.Floor(timestep)), 900, 1000);
        Assert.All(timesteps.Where((_, i) => i % 3 == 2), timestep => Assert.Equal(0, timestep));     // a limit of 0 keeps images clean
    }

    [Fact]
    public void Compute_with_flow_matching_is_the_error_in_the_velocity()
    {
        Document[] pairs = TinyNetwork.Documents(2);
        using SequenceBatch batch = Batch([.. pairs.Select(pair => Arrangement.AsIs(pair, DiffusionConfig.Flow))]);
        NoiseDraw draw = NoiseDraw.Random(batch, DiffusionConfig.Flow, _generator);
        using var flow = DiffusionProcess.Create(DiffusionConfig.Flow, CPU);
        using var noGradient = no_grad();
        foreach ((_, TorchSharp.Modules.Parameter parameter) in _network.named_parameters().Where(parameter => parameter.name.StartsWith("patch_head", StringComparison.Ordinal)))
            parameter.zero_();                              // predicts zeros

        Tensor loss = TransfusionLoss.Compute(_network, flow, batch, TinyNetwork.Config.Grid, draw).DiffusionLoss!;

        TensorAssert.Close((draw.Noise - batch.Images!).square().flatten(1).mean([1]), loss, 1e-5);
    }

    private static SequenceBatch Batch(params ArrangedDocument[] rows) => SequenceBatch.Create(rows, TinyNetwork.Special, RandomNetwork.PatchCount);

    private LossParts Compute(SequenceBatch batch, NoiseDraw? draw)
    {
        using var noGradient = no_grad();
        return TransfusionLoss.Compute(_network, _diffusion, batch, TinyNetwork.Config.Grid, draw);
    }

    [Fact]
    public void Weighted_scales_the_language_loss_of_text_that_an_image_follows_also_in_a_slice()
    {
        Document[] pairs = TinyNetwork.Documents(3);
        double[] weights = [1, 0.5, 0];
        using var batch = SequenceBatch.Create([.. pairs.Select((pair, row) => Arrangement.AsIs(new Document([pair.Parts[0], pair.Parts[1]]), TinyNetwork.Config.Diffusion) with { PromptWeight = weights[row] })], TinyNetwork.Special, 4);
        using SequenceBatch slice = batch.Slice(1, 2);
        Tensor losses = ones(batch.Targets.shape[0]);

        Tensor weighted = new LossParts(losses, null).Weighted(batch).LanguageLoss!;

        int first = batch.TargetsOfRow[0], second = batch.TargetsOfRow[1];
        double halved = 0.5 * (second - 1) + 1;              // the end of the sequence counts as ever
        Assert.Equal(first + halved + 1, weighted.sum().ToDouble(), 5);
        Assert.Equal(halved + 1, new LossParts(losses.narrow(0, first, slice.Targets.shape[0]), null).Weighted(slice).LanguageLoss!.sum().ToDouble(), 5);
    }

    [Fact]
    public void Weighted_leaves_out_the_diffusion_loss_of_images_that_are_never_noised()
    {
        Document[] pairs = TinyNetwork.Documents(2);
        DocumentPart text = pairs[0].Parts.OfType<TextPart>().Single(), source = pairs[0].Parts.OfType<ImagePart>().Single(), edited = pairs[1].Parts.OfType<ImagePart>().Single();
        using var batch = SequenceBatch.Create([Arrangement.AsIs(new Document([source, text, edited]), new DiffusionConfig { ImageFirstMaxTimestep = 0 })], TinyNetwork.Special, 4);

        LossParts weighted = new LossParts(null, tensor(new[] { 5f, 3f })).Weighted(batch);

        Assert.Equal(1, batch.NoisedImages);
        Assert.Equal(3, weighted.Total(1, 0, 0, batch.NoisedImages).ToSingle());
    }

    [Fact]
    public void The_z_loss_is_the_mean_squared_logarithm_of_the_softmaxs_denominator()
    {
        var loss = new LossParts(tensor(new[] { 1f, 3 }), tensor(new[] { 2f }), CodesPerImage: 4, ZLoss: tensor(30f));

        Assert.Equal((1 + 3 + 2 * 4) / 6f + 0.5f * 30 / 6, loss.Total(9, zLossWeight: 0.5).ToSingle(), 1e-5f);
        Assert.Equal((1 + 3 + 2 * 4) / 6f, loss.Total(9).ToSingle(), 1e-5f);
    }
}
