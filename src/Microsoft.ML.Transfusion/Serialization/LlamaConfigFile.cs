// The configuration beside Llama weights: Hugging Face's config.json or Meta's params.json. What this network cannot do is refused by name.
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tokenization;

namespace Microsoft.ML.Transfusion.Serialization;

/// <param name="Table">The token table; of 0 rows where the file leaves their number to the weights.</param>
internal sealed record LlamaConfigFile(TransformerConfig Transformer, TokenTable Table, LlamaNaming Naming)
{
    public const string HuggingFaceName = "config.json";
    public const string MetaName = "params.json";

    private const string Padding = "pad_token_id";
    private const string BeginOfSequence = "bos_token_id";
    private const string EndOfSequence = "eos_token_id";
    private const string BeginOfImage = "boi_token_id";             // ours; readers of text models pass over it
    private const string EndOfImage = "eoi_token_id";

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true };

    /// <exception cref="FormatException">The contents are no configuration of a Llama that this network can be.</exception>
    public static LlamaConfigFile Read(string path, byte[] contents)
    {
        var file = new JsonSettings(path, contents);
        return Path.GetFileName(path) == MetaName ? ReadMeta(file) : ReadHuggingFace(file);
    }

    /// <summary>Hugging Face's config.json of a text path.</summary>
    public static byte[] Write(TransformerConfig config, int vocabularySize, SpecialTokens special)
    {
        var json = new JsonObject
        {
            ["architectures"] = new JsonArray("LlamaForCausalLM"),
            ["model_type"] = "llama",
            ["torch_dtype"] = "float32",
            ["vocab_size"] = vocabularySize,
            ["hidden_size"] = config.HiddenSize,
            ["intermediate_size"] = config.FeedForward,
            ["num_hidden_layers"] = config.NumberOfLayers,
            ["num_attention_heads"] = config.NumberOfHeads,
            ["num_key_value_heads"] = config.KeyValueHeads,
            ["head_dim"] = config.HeadSize,
            ["hidden_act"] = "silu",
            ["max_position_embeddings"] = config.MaxSequenceLength,
            ["rms_norm_eps"] = config.NormEpsilon,
            ["rope_theta"] = Float(config.RopeTheta),
            ["rope_scaling"] = config.RopeScaling is not { } scaling ? null : new JsonObject
            {
                ["rope_type"] = "llama3",
                ["factor"] = Float(scaling.Factor),
                ["low_freq_factor"] = Float(scaling.LowFrequencyFactor),
                ["high_freq_factor"] = Float(scaling.HighFrequencyFactor),
                ["original_max_position_embeddings"] = scaling.OriginalMaxSequenceLength,
            },
            ["tie_word_embeddings"] = config.TiedEmbeddings,
            ["attention_bias"] = false,
            ["mlp_bias"] = false,
            [Padding] = special.Padding,
            [BeginOfSequence] = special.BeginOfSequence,
            [EndOfSequence] = special.EndOfSequence,
            [BeginOfImage] = special.BeginOfImage,
            [EndOfImage] = special.EndOfImage,
        };
        return JsonSerializer.SerializeToUtf8Bytes(json, Json);
    }

    /// <summary>8 as 8.0: transformers minds the difference.</summary>
    private static JsonNode Float(double value) => JsonNode.Parse(double.IsInteger(value) && Math.Abs(value) < 1e15 ? $"{value:f1}" : $"{value:r}")!;

    private static LlamaConfigFile ReadHuggingFace(JsonSettings file)
    {
        file.Require("model_type", "llama", orAbsent: false, "Only Llama's architecture can be taken over");
        file.Require("hidden_act", "silu", orAbsent: true, "This network's feed-forward layer is SwiGLU");
        file.Require("attention_bias", false, "This network's projections have no bias");
        file.Require("mlp_bias", false, "This network's projections have no bias");
        if (file.Has("quantization_config"))
            throw file.Refuse("quantization_config", "Quantized weights cannot be read; take the checkpoint's 16-bit or 32-bit form");
        int heads = file.Int("num_attention_heads"), width = file.Int("hidden_size");
        JsonSettings rope = file.Has("rope_parameters") ? file.Object("rope_parameters") : file;
        var config = new TransformerConfig
        {
            HiddenSize = width,
            NumberOfLayers = file.Int("num_hidden_layers"),
            NumberOfHeads = heads,
            NumberOfKeyValueHeads = file.OptionalInt("num_key_value_heads"),
            AttentionHeadSize = file.OptionalInt("head_dim") is { } size && size * heads != width ? size : null,
            FeedForwardSize = file.Int("intermediate_size"),
            MaxSequenceLength = file.OptionalInt("max_position_embeddings") ?? 2048,
            RopeTheta = rope.Number("rope_theta", 10000),
            RopeScaling = ReferenceEquals(rope, file) ? (file.Has("rope_scaling") ? ReadScaling(file.Object("rope_scaling")) : null) : ReadScaling(rope),
            NormEpsilon = file.Number("rms_norm_eps", 1e-6),
            TiedEmbeddings = file.Flag("tie_word_embeddings"),
        };
        int? begin = file.FirstId(BeginOfSequence), end = file.FirstId(EndOfSequence), padding = file.FirstId(Padding);
        var table = new TokenTable(file.Int("vocab_size"))
        {
            Padding = padding == begin || padding == end ? null : padding,
            BeginOfSequence = begin,
            EndOfSequence = end,
            BeginOfImage = file.FirstId(BeginOfImage),
            EndOfImage = file.FirstId(EndOfImage),
        };
        return new LlamaConfigFile(Check(file, config), table, LlamaNaming.HuggingFace);
    }

    private static RopeScaling? ReadScaling(JsonSettings scaling)
    {
        string key = scaling.Has("rope_type") ? "rope_type" : "type";
        return scaling.Text(key, "default") switch
        {
            "default" => null,
            "llama3" => new RopeScaling
            {
                Factor = scaling.Number("factor"),
                LowFrequencyFactor = scaling.Number("low_freq_factor"),
                HighFrequencyFactor = scaling.Number("high_freq_factor"),
                OriginalMaxSequenceLength = scaling.Int("original_max_position_embeddings"),
            },
            _ => throw scaling.Refuse(key, "Rotary positions can be stretched as \"llama3\" or not at all; take a checkpoint of one of the two"),
        };
    }

    /// <summary>Meta names the feed-forward width by how it is computed: 2/3 of four times the width, times a factor, up to a multiple.</summary>
    private static LlamaConfigFile ReadMeta(JsonSettings file)
    {
        int width = file.Int("dim"), multiple = file.OptionalInt("multiple_of") ?? 256;
        long inner = (long)((long)(2 * 4L * width / 3) * file.Number("ffn_dim_multiplier", 1));
        var config = new TransformerConfig
        {
            HiddenSize = width,
            NumberOfLayers = file.Int("n_layers"),
            NumberOfHeads = file.Int("n_heads"),
            NumberOfKeyValueHeads = file.OptionalInt("n_kv_heads"),
            FeedForwardSize = file.OptionalInt("hidden_dim") ?? (int)((inner + multiple - 1) / multiple * multiple),
            RopeTheta = file.Number("rope_theta", 10000),
            RopeScaling = file.Flag("use_scaled_rope") ? new RopeScaling { Factor = file.Number("rope_scaling_factor", 8), HighFrequencyFactor = file.Number("rope_high_freq_factor", 4) } : null,
            NormEpsilon = file.Number("norm_eps", 1e-5),
        };
        return new LlamaConfigFile(Check(file, config), new TokenTable(file.FirstId("vocab_size") ?? 0), LlamaNaming.Meta);
    }

    private static TransformerConfig Check(JsonSettings file, TransformerConfig config)
    {
        bool whole = config.AttentionHeadSize is not null || config.HiddenSize % config.NumberOfHeads == 0;
        if (!whole || config.HeadSize % 2 != 0 || config.NumberOfHeads % config.KeyValueHeads != 0)
            throw new FormatException($"{file.Path}: a width of {config.HiddenSize}, {config.NumberOfHeads} heads of {config.HeadSize} and {config.KeyValueHeads} "
                + "key and value heads do not go together. Is the file the one that belongs to the weights?");
        return config;
    }
}
