using System.Text.Json.Nodes;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Tests.Modeling;
using Microsoft.ML.Transfusion.Tokenization;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Serialization;

public sealed class LlamaCheckpointTests : IDisposable
{
    private static readonly TextTokenizer Tokenizer = TextTokenizer.Train(["a cat on a mat", "a cat", "the sea"], 270);
    private static readonly TransformerConfig Grouped = RandomNetwork.Small with { NumberOfKeyValueHeads = 2, FeedForwardSize = 40, RopeTheta = 500, NormEpsilon = 1e-6 };

    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Generator _generator = new(1, CPU);
    private readonly string _root = Directory.CreateTempSubdirectory().FullName;

    private string Folder => Path.Combine(_root, "llama");

    public static TheoryData<string> Configurations => ["grouped", "tied", "heads of their own size", "stretched"];

    public void Dispose()
    {
        _generator.Dispose();
        _scope.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [Theory]
    [MemberData(nameof(Configurations))]
    public void What_Write_wrote_loads_to_the_same_bits(string name)
    {
        TransformerConfig config = Configuration(name);
        using TransfusionNetwork network = Create(config, seed: 1), loaded = Create(config, seed: 2);
        LlamaCheckpoint.Write(Folder, network, Tokenizer);

        LlamaCheckpoint checkpoint = LlamaCheckpoint.Open(Folder);
        checkpoint.CopyTo(loaded, _generator);

        Assert.Equal(config, checkpoint.Transformer with { FeedForwardSize = config.FeedForwardSize, NumberOfKeyValueHeads = config.NumberOfKeyValueHeads });
        Assert.Equal(config.FeedForward, checkpoint.Transformer.FeedForward);
        foreach ((string weight, Tensor expected) in network.state_dict().Where(entry => !entry.Key.Contains("patch", StringComparison.Ordinal)))
            TensorAssert.Close(expected, loaded.state_dict()[weight], 0, weight);
        TensorAssert.Close(Logits(network), Logits(loaded), 0);
    }

    [Theory]
    [MemberData(nameof(Configurations))]
    public void Write_leaves_a_vocabulary_and_a_table_that_need_no_new_rows(string name)
    {
        using TransfusionNetwork network = Create(Configuration(name), seed: 1);
        LlamaCheckpoint.Write(Folder, network, Tokenizer);

        TextTokenizer again = LlamaCheckpoint.Open(Folder).CreateTokenizer();

        Assert.Equal(Tokenizer.SpecialTokens, again.SpecialTokens);
        Assert.Equal(Tokenizer.VocabularySize, again.VocabularySize);
        Assert.Equal(Tokenizer.Encode("the cat sees 12 mats"), again.Encode("the cat sees 12 mats"));
    }

    [Fact]
    public void Write_uses_the_names_shapes_and_settings_of_Hugging_Face()
    {
        using TransfusionNetwork network = Create(Grouped, seed: 1);

        LlamaCheckpoint.Write(Folder, network, Tokenizer);

        using SafeTensorsFolder weights = SafeTensorsFolder.Open(Folder);
        Assert.Equal(3 + Grouped.NumberOfLayers * 9, weights.Names.Count());
        Assert.Equal([16, 32], weights["model.layers.1.self_attn.k_proj.weight"].Shape);
        Assert.Equal([40, 32], weights["model.layers.0.mlp.gate_proj.weight"].Shape);
        Assert.Equal("pt", weights.Metadata["format"]);
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "config.json")))!;
        Assert.Equal("LlamaForCausalLM", (string)config["architectures"]![0]!);
        Assert.Equal(Tokenizer.VocabularySize, (int)config["vocab_size"]!);
        Assert.Equal(2, (int)config["num_key_value_heads"]!);
        Assert.Equal("500.0", config["rope_theta"]!.ToJsonString());                           // transformers warns of 500, which is no float to it
        Assert.Equal(Tokenizer.SpecialTokens.EndOfSequence, (int)config["eos_token_id"]!);
    }

    [Fact]
    public void Meta_s_layout_gives_the_network_that_Hugging_Face_s_gives()
    {
        using TransfusionNetwork network = Create(Grouped, seed: 1), loaded = Create(Grouped, seed: 2);
        Directory.CreateDirectory(Folder);
        var layout = new LlamaLayout(Grouped, Tokenizer.VocabularySize, LlamaNaming.Meta);
        Save("consolidated.00.safetensors", layout.CopyFrom(network));
        File.WriteAllText(Path.Combine(Folder, "params.json"),
            """{ "dim": 32, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "hidden_dim": 40, "norm_eps": 1e-6, "rope_theta": 500, "vocab_size": -1 }""");

        LlamaCheckpoint checkpoint = LlamaCheckpoint.Open(Folder);
        checkpoint.CopyTo(loaded, _generator);

        Assert.Equal(Tokenizer.VocabularySize, checkpoint.Table.Rows);
        TensorAssert.Close(Logits(network), Logits(loaded), 0);
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    public void Sixteen_bit_weights_become_their_32_bit_values(ScalarType type)
    {
        using TransfusionNetwork network = Create(Grouped, seed: 1), loaded = Create(Grouped, seed: 2);
        LlamaCheckpoint.Write(Folder, network, Tokenizer);
        Edit(weights => weights.ToDictionary(entry => entry.Key, entry => entry.Value.to(type)));

        LlamaCheckpoint.Open(Folder).CopyTo(loaded, _generator);

        foreach ((string weight, Tensor expected) in network.state_dict().Where(entry => !entry.Key.Contains("patch", StringComparison.Ordinal)))
            TensorAssert.Close(expected.to(type), loaded.state_dict()[weight], 0, weight);
    }

    [Fact]
    public void Shards_are_read_like_one_file()
    {
        using TransfusionNetwork network = Create(Grouped, seed: 1), loaded = Create(Grouped, seed: 2);
        LlamaCheckpoint.Write(Folder, network, Tokenizer);
        Dictionary<string, Tensor> weights = Read();
        SafeTensorsFolderWriter.Write(Folder, weights, maxShardSize: 20_000);

        LlamaCheckpoint.Open(Folder).CopyTo(loaded, _generator);

        Assert.True(Directory.GetFiles(Folder, "model-*.safetensors").Length > 1);
        TensorAssert.Close(Logits(network), Logits(loaded), 0);
    }

    [Fact]
    public void CopyTo_draws_the_rows_of_new_tokens_like_the_rows_that_are_there()
    {
        TransformerConfig config = Grouped with { HiddenSize = 8 };
        using TransfusionNetwork network = Create(config, seed: 1);
        using (no_grad())
            network.get_parameter("embed_tokens.weight")!.add_(arange(8));                   // every column has a mean of its own
        LlamaCheckpoint.Write(Folder, network, Tokenizer);
        const int Added = 4000;
        using var larger = new TransfusionNetwork(config, Tokenizer.VocabularySize + Added, RandomNetwork.PatchVectorSize, RandomNetwork.PatchCount);

        LlamaCheckpoint.Open(Folder).CopyTo(larger, _generator);

        foreach (string name in (string[])["embed_tokens.weight", "lm_head.weight"])
        {
            Tensor known = network.get_parameter(name)!, table = larger.get_parameter(name)!, added = table.narrow(0, Tokenizer.VocabularySize, Added);
            TensorAssert.Close(known, table.narrow(0, 0, Tokenizer.VocabularySize), 0);
            TensorAssert.Close(known.mean([0]), added.mean([0]), 0.02, name);
            TensorAssert.Close(known.std(0), added.std(0), 0.02, name);
        }
    }

    [Fact]
    public void Write_refuses_a_folder_that_is_in_use_and_leaves_nothing_when_it_fails()
    {
        using TransfusionNetwork network = Create(Grouped, seed: 1), normalized = Create(RandomNetwork.Everything, seed: 1), postNorm = Create(Grouped with { PostNorm = true }, seed: 1);
        Directory.CreateDirectory(Folder);
        LlamaCheckpoint.Write(Folder, network, Tokenizer);                                    // an empty folder is as good as none

        Assert.Contains("not empty", Assert.Throws<IOException>(() => LlamaCheckpoint.Write(Folder, network, Tokenizer)).Message);
        Assert.Contains("QueryKeyNorm", Assert.Throws<InvalidOperationException>(() => LlamaCheckpoint.Write(Path.Combine(_root, "other"), normalized, Tokenizer)).Message);
        Assert.Contains("PostNorm", Assert.Throws<InvalidOperationException>(() => LlamaCheckpoint.Write(Path.Combine(_root, "other"), postNorm, Tokenizer)).Message);
        TextTokenizer larger = Tokenizer.For(new TokenTable(1000));
        Assert.ThrowsAny<Exception>(() => LlamaCheckpoint.Write(Path.Combine(_root, "failing"), network, larger));
        Assert.Equal([Folder], Directory.GetFileSystemEntries(_root));
    }

    [Fact]
    public void Open_names_the_tensor_that_is_missing_misshapen_or_left_over()
    {
        using TransfusionNetwork network = Create(Grouped, seed: 1);
        LlamaCheckpoint.Write(Folder, network, Tokenizer);
        Dictionary<string, Tensor> whole = Read();
        string Refusal(string name, Tensor? tensor)
        {
            Dictionary<string, Tensor> changed = new(whole);
            changed.Remove(name);
            if (tensor is not null)
                changed.Add(name, tensor);
            Save("model.safetensors", changed);
            return Assert.Throws<FormatException>(() => LlamaCheckpoint.Open(Folder)).Message;
        }

        Assert.Contains("lacks the tensor 'model.layers.1.mlp.up_proj.weight' [40, 32]", Refusal("model.layers.1.mlp.up_proj.weight", null));
        Assert.Contains("'model.norm.weight' is [5]", Refusal("model.norm.weight", ones(5)));
        Assert.Contains("'model.layers.0.self_attn.q_proj.bias'", Refusal("model.layers.0.self_attn.q_proj.bias", ones(32)));
    }

    [Fact]
    public void Open_passes_over_tables_of_older_files_and_the_second_copy_of_a_tied_one()
    {
        using TransfusionNetwork network = Create(Grouped with { TiedEmbeddings = true }, seed: 1);
        LlamaCheckpoint.Write(Folder, network, Tokenizer);

        Edit(weights => new(weights)
        {
            ["model.layers.0.self_attn.rotary_emb.inv_freq"] = ones(4),
            ["lm_head.weight"] = weights["model.embed_tokens.weight"].clone(),
        });

        Assert.True(LlamaCheckpoint.Open(Folder).Transformer.TiedEmbeddings);
    }

    [Fact]
    public void Open_says_what_to_do_with_a_folder_that_is_no_checkpoint()
    {
        string Refusal() => Assert.Throws<FormatException>(() => LlamaCheckpoint.Open(Folder)).Message;
        Assert.Throws<DirectoryNotFoundException>(() => LlamaCheckpoint.Open(Folder));
        Directory.CreateDirectory(Folder);
        Assert.Contains("neither config.json nor params.json", Refusal());

        File.WriteAllText(Path.Combine(Folder, "params.json"), """{ "dim": 32, "n_layers": 2, "n_heads": 4 }""");
        Assert.Contains("model.safetensors", Refusal());
        File.WriteAllText(Path.Combine(Folder, "consolidated.00.pth"), "");
        Assert.Contains("torch.load", Refusal());
        Assert.Contains("consolidated.00.pth", Refusal());

        using TransfusionNetwork network = Create(Grouped, seed: 1);
        File.WriteAllBytes(Path.Combine(Folder, "config.json"), LlamaConfigFile.Write(Grouped, 300, Tokenizer.SpecialTokens));
        File.WriteAllText(Path.Combine(Folder, "pytorch_model.bin"), "");
        Assert.Contains("save_pretrained", Refusal());
    }

    [Fact]
    public void CreateTokenizer_wants_a_vocabulary_of_the_table_s_size()
    {
        using TransfusionNetwork network = Create(Grouped, seed: 1);
        LlamaCheckpoint.Write(Folder, network, Tokenizer);
        File.Delete(Path.Combine(Folder, "tokenizer.json"));
        LlamaCheckpoint checkpoint = LlamaCheckpoint.Open(Folder);

        Assert.Contains("tokenizer.model", Assert.Throws<FormatException>(() => checkpoint.CreateTokenizer()).Message);
        Assert.Equal(Tokenizer.SpecialTokens, checkpoint.CreateTokenizer(Tokenizer).SpecialTokens);
        TextTokenizer larger = TextTokenizer.Train(["a cat on a mat", "sees the sea and a cup", "a red door in the night", "an old map of the city sea", "a cat sees the red mat"], 300);
        Assert.Contains($"{Tokenizer.VocabularySize} rows", Assert.Throws<FormatException>(() => checkpoint.CreateTokenizer(larger)).Message);
    }

    private static TransformerConfig Configuration(string name) => name switch
    {
        "tied" => Grouped with { TiedEmbeddings = true },
        "heads of their own size" => Grouped with { AttentionHeadSize = 6 },
        "stretched" => Grouped with { RopeScaling = new RopeScaling { Factor = 4, LowFrequencyFactor = 1.5, HighFrequencyFactor = 5, OriginalMaxSequenceLength = 16 } },
        _ => Grouped,
    };

    private static TransfusionNetwork Create(TransformerConfig config, ulong seed) => RandomNetwork.Create(config, seed, Tokenizer.VocabularySize);

    private static Tensor Logits(TransfusionNetwork network)
    {
        Tensor ids = tensor(Tokenizer.Encode("a cat on the sea").Select(id => (long)id).ToArray());
        return network.Logits(network.Forward(network.EmbedTokens(ids).unsqueeze(0), new TransfusionMask((int)ids.shape[0], [[]])).squeeze(0));
    }

    private Dictionary<string, Tensor> Read()
    {
        using SafeTensorsFolder weights = SafeTensorsFolder.Open(Folder);
        return weights.Names.ToDictionary(name => name, weights.Read);
    }

    private void Edit(Func<Dictionary<string, Tensor>, Dictionary<string, Tensor>> change) => Save("model.safetensors", change(Read()));

    private void Save(string name, Dictionary<string, Tensor> weights)
    {
        using FileStream stream = File.Create(Path.Combine(Folder, name));
        SafeTensors.Write(stream, weights);
    }
}
