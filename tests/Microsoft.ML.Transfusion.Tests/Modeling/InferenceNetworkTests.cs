using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

public sealed class InferenceNetworkTests : IDisposable
{
    private static readonly TransformerConfig Uneven = RandomNetwork.Everything with { HiddenSize = 40, AttentionHeadSize = 10, FeedForwardSize = 70, TiedEmbeddings = true };

    private readonly DisposeScope _scope = NewDisposeScope();

    public static TheoryData<TransformerConfig> Configs => [RandomNetwork.Small, RandomNetwork.Everything, Uneven, RandomNetwork.Everything with { PostNorm = true, CausalImages = true }];

    public void Dispose() => _scope.Dispose();

    [Theory]
    [MemberData(nameof(Configs))]
    public void Run_gives_the_logits_of_the_training_network(TransformerConfig config)
    {
        using TransfusionNetwork network = RandomNetwork.Create(config);
        using var inference = new CpuInference(network);
        var random = new Random(1);
        for (int trial = 0; trial < 10; trial++)
        {
            List<PassPart> parts = Parts(random, network);
            using RowCache cache = inference.CreateCache(64);
            var pass = new RowPass(cache, parts, PassResult.Logits);

            inference.Run([pass]);

            TensorAssert.Close(Reference(network, parts), tensor(pass.Result).view(-1, RandomNetwork.Vocabulary), 2e-4, $"trial {trial}");
        }
    }

    [Theory]
    [MemberData(nameof(Configs))]
    public void Run_gives_a_row_the_same_bits_in_pieces_alone_and_among_others(TransformerConfig config)
    {
        using TransfusionNetwork network = RandomNetwork.Create(config);
        using var inference = new CpuInference(network);
        var random = new Random(2);
        List<PassPart>[] rows = [.. Enumerable.Range(0, 11).Select(_ => Parts(random, network))];
        RowPass[] together = [.. rows.Select(parts => new RowPass(inference.CreateCache(64), parts, PassResult.LastLogits))];

        inference.Run(together);

        for (int row = 0; row < rows.Length; row++)
        {
            var alone = new RowPass(Spoiled(inference.CreateCache(60)), rows[row], PassResult.LastLogits);
            inference.Run([alone]);
            Assert.Equal(alone.Result, together[row].Result);
            Assert.Equal(alone.Result, InPieces(inference, rows[row]));
            alone.Cache.Dispose();
            together[row].Cache.Dispose();
        }
    }

    [Fact]
    public void Run_gives_a_row_longer_than_the_memory_that_is_kept_the_same_bits_in_pieces()
    {
        const int Longer = 600;
        using TransfusionNetwork network = RandomNetwork.Create(RandomNetwork.Small with { MaxSequenceLength = Longer });
        using var inference = new CpuInference(network);
        int[] ids = [.. Enumerable.Range(0, Longer).Select(position => position % RandomNetwork.Vocabulary)];
        RowCache[] caches = [inference.CreateCache(Longer), inference.CreateCache(Longer)];
        var whole = new RowPass(caches[0], [PassPart.Tokens(ids)], PassResult.Logits);
        var end = new RowPass(caches[1], [PassPart.Tokens(ids[50..])], PassResult.LastLogits);

        inference.Run([new RowPass(caches[1], [PassPart.Tokens(ids[..50])], PassResult.None)]);
        inference.Run([whole]);
        inference.Run([end]);

        TensorAssert.Close(Reference(network, [PassPart.Tokens(ids)]), tensor(whole.Result).view(Longer, RandomNetwork.Vocabulary), 2e-4, "the whole row");
        Assert.Equal(whole.Result[^RandomNetwork.Vocabulary..], end.Result);
        foreach (RowCache cache in caches)
            cache.Dispose();
    }

    [Fact]
    public void Run_of_a_denoising_step_leaves_the_row_as_it_was()
    {
        using TransfusionNetwork network = RandomNetwork.Create(RandomNetwork.Everything);
        using var inference = new CpuInference(network);
        float[] noisy = Patches(new Random(1), network), noisier = Patches(new Random(2), network);
        using RowCache cache = inference.CreateCache(32);
        inference.Run([new RowPass(cache, [PassPart.Tokens(1, 2, 3)], PassResult.None)]);

        float[] first = Denoise(noisy), other = Denoise(noisier);

        Assert.Equal(3, cache.Length);
        Assert.NotEqual(first, other);
        Assert.Equal(first, Denoise(noisy));

        float[] Denoise(float[] patches)
        {
            var pass = new RowPass(cache, [PassPart.Image(patches, network.PatchCount, timestep: 500)], PassResult.Patches, Keeps: false);
            inference.Run([pass]);
            return pass.Result;
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(70)]
    public void Clone_has_read_the_same(int tokens)
    {
        using TransfusionNetwork network = RandomNetwork.Create(RandomNetwork.Everything with { MaxSequenceLength = 140 });
        using var inference = new CpuInference(network);
        PassPart text = PassPart.Tokens([.. Enumerable.Range(0, tokens).Select(position => position % RandomNetwork.Vocabulary)]);
        PassPart image = PassPart.Image(Patches(new Random(1), network), network.PatchCount);
        using RowCache cache = Spoiled(inference.CreateCache(tokens + 6)), shorter = Spoiled(inference.CreateCache(tokens + 1));
        inference.Run([new RowPass(cache, [text, image], PassResult.None), new RowPass(shorter, [text], PassResult.None)]);
        using RowCache clone = cache.Clone(tokens + 60), cloneOfText = cache.Clone(tokens + 1, tokens);
        RowPass[] next = [.. new[] { cache, clone, shorter, cloneOfText }.Select(row => new RowPass(row, [PassPart.Tokens(4)], PassResult.LastLogits))];

        inference.Run(next);

        Assert.Equal(next[0].Result, next[1].Result);
        Assert.Equal(next[2].Result, next[3].Result);
        Assert.NotEqual(next[0].Result, next[2].Result);
    }

    [Fact]
    public void Run_refuses_more_than_the_row_has_room_for()
    {
        using TransfusionNetwork network = RandomNetwork.Create(RandomNetwork.Small);
        using var inference = new CpuInference(network);
        using RowCache cache = inference.CreateCache(3);

        Assert.Throws<InvalidOperationException>(() => inference.Run([new RowPass(cache, [PassPart.Tokens(1, 2, 3, 4)], PassResult.None)]));
    }

    /// <summary>Memory that a row never wrote must not matter.</summary>
    private static unsafe RowCache Spoiled(RowCache cache)
    {
        new Span<float>(((CpuRowCache)cache).KeysTransposed(0, 0), (int)(cache.Bytes / sizeof(float))).Fill(float.NaN);
        return cache;
    }

    private static float[] InPieces(CpuInference inference, List<PassPart> parts)
    {
        using RowCache cache = Spoiled(inference.CreateCache(64));
        float[] result = [];
        foreach (PassPart part in parts.SelectMany(part => part.TokenIds is { } ids ? ids.Select(id => PassPart.Tokens(id)) : [part]))
        {
            var pass = new RowPass(cache, [part], PassResult.LastLogits);
            inference.Run([pass]);
            result = pass.Result;
        }
        return result;
    }

    /// <summary>Tokens, and now and then a clean picture between them.</summary>
    private static List<PassPart> Parts(Random random, TransfusionNetwork network)
    {
        List<PassPart> parts = [];
        for (int part = random.Next(1, 6); part > 0; part--)
            parts.Add(random.Next(2) == 0 && parts.Count > 0
                ? PassPart.Image(Patches(random, network), network.PatchCount)
                : PassPart.Tokens([.. Enumerable.Range(0, random.Next(1, 12)).Select(_ => random.Next(RandomNetwork.Vocabulary))]));
        return parts;
    }

    private static float[] Patches(Random random, TransfusionNetwork network) =>
        [.. Enumerable.Range(0, network.PatchCount * network.PatchVectorSize).Select(_ => 2 * random.NextSingle() - 1)];

    private static Tensor Reference(TransfusionNetwork network, List<PassPart> parts)
    {
        using var noGradient = no_grad();
        var images = new List<ImageSpan>();
        var embedded = new List<Tensor>();
        int length = 0;
        foreach (PassPart part in parts)
        {
            if (part.TokenIds is { } ids)
                embedded.Add(network.EmbedTokens(tensor(ids.Select(id => (long)id).ToArray())));
            else
            {
                images.Add(new ImageSpan(length, network.PatchCount));
                embedded.Add(network.EmbedPatches(tensor(part.Patches!).view(1, network.PatchCount, network.PatchVectorSize), zeros(1, ScalarType.Int64))[0]);
            }
            length += (int)embedded[^1].shape[0];
        }
        return network.Logits(network.Forward(cat(embedded, 0).unsqueeze(0), new TransfusionMask(length, [network.Config.CausalImages ? [] : images]))[0]);
    }
}
