using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.Transfusion.Serialization;

namespace Microsoft.ML.Transfusion.Tests.Serialization;

public class LlamaConfigFileTests
{
    private const string Smallest = """
        { "model_type": "llama", "vocab_size": 128, "hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 3, "num_attention_heads": 4 }
        """;

    [Fact]
    public void What_is_left_out_has_the_defaults_of_transformers()
    {
        TransformerConfig config = Read(Smallest).Transformer;

        Assert.Equal(4, config.KeyValueHeads);
        Assert.Equal(16, config.HeadSize);
        Assert.Equal(1e-6, config.NormEpsilon);
        Assert.Equal(10000, config.RopeTheta);
        Assert.False(config.TiedEmbeddings);
        Assert.Null(config.RopeScaling);
    }

    [Fact]
    public void Special_tokens_are_read_singly_or_as_the_first_of_several()
    {
        var table = Read(Smallest, "\"bos_token_id\": 100, \"eos_token_id\": [101, 108], \"pad_token_id\": 101").Table;

        Assert.Equal((128, 100, 101, (int?)null), (table.Rows, table.BeginOfSequence, table.EndOfSequence, table.Padding));   // padding of its own is safer
    }

    [Theory]
    [InlineData("\"rope_scaling\": { \"rope_type\": \"llama3\", \"factor\": 32.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 8192 }, \"rope_theta\": 500000.0")]
    [InlineData("\"rope_parameters\": { \"rope_type\": \"llama3\", \"factor\": 32.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 8192, \"rope_theta\": 500000.0 }")]
    public void Llama_3_1_s_stretched_positions_are_read_as_old_and_new_files_have_them(string settings)
    {
        TransformerConfig config = Read(Smallest, settings).Transformer;

        Assert.Equal(500000, config.RopeTheta);
        Assert.Equal(new RopeScaling { Factor = 32, LowFrequencyFactor = 1, HighFrequencyFactor = 4, OriginalMaxSequenceLength = 8192 }, config.RopeScaling);
    }

    [Theory]
    [InlineData("\"model_type\": \"mistral\"", "\"model_type\" is \"mistral\"")]
    [InlineData("\"hidden_act\": \"gelu\"", "\"hidden_act\" is \"gelu\"")]
    [InlineData("\"attention_bias\": true", "\"attention_bias\" is true")]
    [InlineData("\"mlp_bias\": true", "\"mlp_bias\" is true")]
    [InlineData("\"rope_scaling\": { \"type\": \"linear\", \"factor\": 2.0 }", "\"rope_scaling.type\" is \"linear\"")]
    [InlineData("\"rope_scaling\": { \"rope_type\": \"yarn\", \"factor\": 2.0 }", "\"rope_scaling.rope_type\" is \"yarn\"")]
    [InlineData("\"rope_scaling\": { \"rope_type\": \"llama3\" }", "\"rope_scaling.factor\" is missing")]
    [InlineData("\"quantization_config\": { \"bits\": 4 }", "\"quantization_config\"")]
    [InlineData("\"hidden_size\": \"wide\"", "\"hidden_size\" is \"wide\"")]
    [InlineData("\"num_hidden_layers\": 0", "\"num_hidden_layers\" is 0")]
    [InlineData("\"num_hidden_layers\": null", "\"num_hidden_layers\" is missing")]
    [InlineData("\"num_key_value_heads\": 3", "do not go together")]
    [InlineData("\"num_attention_heads\": 5", "do not go together")]
    [InlineData("\"tie_word_embeddings\": 1", "\"tie_word_embeddings\" is 1")]
    [InlineData("\"eos_token_id\": \"</s>\"", "\"eos_token_id\"")]
    public void What_this_network_cannot_be_is_refused_by_file_key_and_value(string setting, string message)
    {
        FormatException refusal = Assert.Throws<FormatException>(() => Read(Smallest, setting));

        Assert.Contains(message, refusal.Message);
        Assert.Contains("config.json", refusal.Message);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("")]
    public void What_is_no_object_is_refused(string contents) =>
        Assert.Contains("config.json", Assert.Throws<FormatException>(() => LlamaConfigFile.Read("config.json", Encoding.UTF8.GetBytes(contents))).Message);

    [Fact]
    public void Meta_s_feed_forward_width_follows_from_its_factor_and_multiple()
    {
        // Llama 3's 8B: 4096 wide, 14336 in the feed-forward layers.
        var llama = LlamaConfigFile.Read("params.json", """
            { "dim": 4096, "n_layers": 32, "n_heads": 32, "n_kv_heads": 8, "vocab_size": 128256, "multiple_of": 1024, "ffn_dim_multiplier": 1.3,
              "norm_eps": 1e-05, "rope_theta": 500000.0, "use_scaled_rope": true }
            """u8.ToArray());

        Assert.Equal(14336, llama.Transformer.FeedForward);
        Assert.Equal(new RopeScaling(), llama.Transformer.RopeScaling);
        Assert.Equal(128256, llama.Table.Rows);
    }

    private static LlamaConfigFile Read(string contents, string setting = "")
    {
        JsonObject json = JsonNode.Parse(contents)!.AsObject();
        foreach ((string key, JsonNode? value) in JsonNode.Parse($"{{{setting}}}")!.AsObject())
            json[key] = value?.DeepClone();
        return LlamaConfigFile.Read("config.json", Encoding.UTF8.GetBytes(json.ToJsonString()));
    }
}
