using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

public sealed class TransfusionNetworkTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Generator _generator = new(1, CPU);

    public void Dispose()
    {
        _generator.Dispose();
        _scope.Dispose();
    }

    [Fact]
    public void Forward_says_the_limit_when_the_sequence_is_longer()
    {
        TransformerConfig config = RandomNetwork.Small with { MaxSequenceLength = 8 };
        using TransfusionNetwork network = RandomNetwork.Create(config);
        network.Forward(RandomNetwork.Positions(config, 1, 8, 1), new TransfusionMask(8, [[]]));

        var tooLong = Assert.Throws<InvalidOperationException>(() => network.Forward(RandomNetwork.Positions(config, 1, 9, 1), new TransfusionMask(9, [[]])));

        Assert.Contains("MaxSequenceLength", tooLong.Message);
        Assert.Contains("9", tooLong.Message);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void EmbedPatches_tells_patches_apart_by_their_place_when_positions_are_learned(bool learned)
    {
        using TransfusionNetwork network = RandomNetwork.Create(RandomNetwork.Small with { LearnedPatchPositions = learned });
        Tensor same = ones(1, RandomNetwork.PatchCount, RandomNetwork.PatchVectorSize);

        Tensor embedded = network.EmbedPatches(same, zeros(1, ScalarType.Int64));

        double difference = TensorAssert.LargestDifference(embedded[0, 0], embedded[0, 3]);
        Assert.Equal(learned, difference > 0.01);
    }

    [Fact]
    public void EmbedPatches_adds_the_timestep_to_every_patch_before_the_linear_layer()
    {
        using TransfusionNetwork network = RandomNetwork.Create(RandomNetwork.Small);
        Tensor patches = randn([2, RandomNetwork.PatchCount, RandomNetwork.PatchVectorSize], generator: _generator);
        Tensor timesteps = tensor(new long[] { 3, 700 });

        Tensor moved = network.EmbedPatches(patches, timesteps) - network.EmbedPatches(zeros_like(patches), timesteps);

        // The embedding is linear in patch + time, so what the patches add does not depend on the timestep, and all patches move alike with it.
        TensorAssert.Close(network.EmbedPatches(patches, tensor(new long[] { 3, 3 }))[1] - network.EmbedPatches(zeros_like(patches), tensor(new long[] { 3, 3 }))[1], moved[1], 1e-4);
        Tensor byTime = network.EmbedPatches(patches, timesteps)[1] - network.EmbedPatches(patches, tensor(new long[] { 3, 3 }))[1];
        TensorAssert.Close(byTime[0].expand(byTime.shape), byTime, 1e-4);
        TensorAssert.Differ(zeros_like(byTime), byTime, 0.01);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Scores_do_not_depend_on_the_size_of_queries_and_keys_when_they_are_normalized(bool normalized)
    {
        TransformerConfig config = RandomNetwork.Small with { QueryKeyNorm = normalized, NormEpsilon = 1e-12 };
        using TransfusionNetwork network = RandomNetwork.Create(config);
        Tensor hidden = RandomNetwork.Positions(config, 1, 10, 1);
        var mask = new TransfusionMask(10, [[new ImageSpan(4, 4)]]);
        Tensor before = network.Forward(hidden, mask).detach();

        using (no_grad())
        {
            foreach ((_, TorchSharp.Modules.Parameter weight) in network.named_parameters().Where(p => p.name.Contains("qkv_proj", StringComparison.Ordinal)))
                weight.narrow(0, 0, 2 * config.HiddenSize).mul_(3);
        }
        double difference = TensorAssert.LargestDifference(before, network.Forward(hidden, mask));

        Assert.Equal(normalized, difference < 1e-4);
    }

    [Fact]
    public void Post_norm_adds_what_has_the_size_of_its_norm_however_large_the_layers_weights_are()
    {
        TransformerConfig config = RandomNetwork.Small with { PostNorm = true, NumberOfLayers = 1, NormEpsilon = 1e-12 };
        using TransfusionNetwork network = RandomNetwork.Create(config);
        Tensor hidden = RandomNetwork.Positions(config, 1, 10, 1);
        var mask = new TransfusionMask(10, [[]]);
        Tensor before = network.Forward(hidden, mask).detach();

        using (no_grad())
            foreach ((_, TorchSharp.Modules.Parameter weight) in network.named_parameters().Where(p => p.name.Contains("o_proj", StringComparison.Ordinal) || p.name.Contains("down_proj", StringComparison.Ordinal)))
                weight.mul_(5);

        TensorAssert.Close(before, network.Forward(hidden, mask), 1e-4);
        network.get_parameter("layers.0.post_attention_layernorm.weight")!.requires_grad_(false).zero_();
        network.get_parameter("layers.0.input_layernorm.weight")!.requires_grad_(false).zero_();
        TensorAssert.Close(hidden, network.Forward(hidden, mask), 0);
    }

    [Fact]
    public void A_tied_table_embeds_and_predicts_and_learns_from_both()
    {
        TransformerConfig config = RandomNetwork.Small;
        using TransfusionNetwork tied = RandomNetwork.Create(config with { TiedEmbeddings = true }), apart = RandomNetwork.Create(config);
        apart.Load(new Dictionary<string, Tensor>(tied.state_dict()) { ["lm_head.weight"] = tied.get_parameter("embed_tokens.weight")! });
        Tensor ids = tensor(new long[] { 1, 7, 3, 7 }), next = tensor(new long[] { 7, 3, 7, 20 });
        Tensor Learn(TransfusionNetwork network)
        {
            Tensor logits = network.Logits(network.Forward(network.EmbedTokens(ids).unsqueeze(0), new TransfusionMask(4, [[]])).squeeze(0));
            nn.functional.cross_entropy(logits, next).backward();
            return logits;
        }

        TensorAssert.Close(Learn(apart), Learn(tied), 1e-6);

        Assert.DoesNotContain("lm_head.weight", tied.state_dict().Keys);
        TensorAssert.Close(apart.get_parameter("embed_tokens.weight")!.grad! + apart.get_parameter("lm_head.weight")!.grad!, tied.get_parameter("embed_tokens.weight")!.grad!, 1e-6);
    }

    [Fact]
    public void Heads_may_have_a_size_of_their_own()
    {
        TransformerConfig config = RandomNetwork.Everything with { AttentionHeadSize = 10 };
        using TransfusionNetwork network = RandomNetwork.Create(config);
        Tensor hidden = RandomNetwork.Positions(config, 1, 5, 1);

        Tensor whole = network.Forward(hidden, new TransfusionMask(5, [[]]));
        using (no_grad())
            TensorAssert.Close(whole, network.Forward(hidden, new TransfusionMask(5, [[]]), denseMask: true), 1e-5);

        Assert.Equal([80, 32], network.get_parameter("layers.0.self_attn.qkv_proj.weight")!.shape);
        Assert.Equal([32, 40], network.get_parameter("layers.0.self_attn.o_proj.weight")!.shape);
    }

    [Fact]
    public void Initialize_is_decided_by_the_seed_and_predicts_zero_patches()
    {
        TransformerConfig config = RandomNetwork.Everything;
        Tensor[] Weights(ulong seed)
        {
            using TransfusionNetwork network = RandomNetwork.Create(config, seed: 99);
            using var generator = new Generator(seed, CPU);
            network.Initialize(generator);
            TensorAssert.Close(zeros(1, 4, RandomNetwork.PatchVectorSize), network.PredictPatches(ones(1, 4, config.HiddenSize)), 0);
            return [.. network.state_dict().OrderBy(entry => entry.Key, StringComparer.Ordinal).Select(entry => entry.Value.detach().clone())];
        }

        Tensor[] first = Weights(1), again = Weights(1), other = Weights(2);

        for (int i = 0; i < first.Length; i++)
            TensorAssert.Close(first[i], again[i], 0);
        Assert.Contains(first.Zip(other), pair => TensorAssert.LargestDifference(pair.First, pair.Second) > 0.01);
    }

    [Fact]
    public void Load_names_the_weight_that_is_missing_misshapen_or_left_over()
    {
        using TransfusionNetwork network = RandomNetwork.Create(RandomNetwork.Small);
        Dictionary<string, Tensor> Weights() => network.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());
        Dictionary<string, Tensor> missing = Weights(), misshapen = Weights(), leftOver = Weights();
        missing.Remove("lm_head.weight");
        misshapen["norm.weight"] = ones(5);
        leftOver["layers.9.mlp.up_proj.weight"] = ones(5);

        Assert.Contains("lm_head.weight", Assert.Throws<FormatException>(() => network.Load(missing)).Message);
        Assert.Contains("'norm.weight' is [5]", Assert.Throws<FormatException>(() => network.Load(misshapen)).Message);
        Assert.Contains("layers.9.mlp.up_proj.weight", Assert.Throws<FormatException>(() => network.Load(leftOver)).Message);
    }

    [Fact]
    public void Forward_can_train_after_it_was_used_for_inference()
    {
        TransformerConfig config = RandomNetwork.Small;
        using TransfusionNetwork network = RandomNetwork.Create(config);
        Tensor hidden = RandomNetwork.Positions(config, 1, 6, 1);
        var mask = new TransfusionMask(6, [[]]);
        using (inference_mode())
            network.Forward(hidden, mask).Dispose();

        network.Forward(hidden, mask).sum().backward();

        Assert.All(network.named_parameters().Where(p => p.name.StartsWith("layers", StringComparison.Ordinal)), p => Assert.NotNull(p.parameter.grad));
    }

    [Fact]
    public void Dispose_leaves_no_tensor_behind()
    {
        TransformerConfig config = RandomNetwork.Everything;
        void Use()
        {
            using TransfusionNetwork network = RandomNetwork.Create(config);
            using var scope = NewDisposeScope();
            network.Forward(RandomNetwork.Positions(config, 1, 6, 1), new TransfusionMask(6, [[]]));
        }
        Use();

        LeakCheck.Holds(Use, times: 3);
    }
}
