// Llama's weights by the names that Hugging Face and Meta gave them, and this network's. Two things differ beside names: queries, keys and
// values are one matrix here; and Hugging Face's rotary embedding has all real parts of a head before all imaginary ones, where Meta's and
// this one have neighbouring pairs.
using Microsoft.ML.Transfusion.Modeling;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Serialization;

internal enum LlamaNaming
{
    HuggingFace,
    Meta,
}

/// <param name="Name">The name in a checkpoint.</param>
/// <param name="Own">This network's weight that holds it, as rows from <paramref name="Row"/> on.</param>
/// <param name="IsRotary">Whether rows are channels of rotary heads.</param>
internal sealed record LlamaTensor(string Name, long[] Shape, string Own, long Row = 0, bool IsRotary = false);

/// <summary>What a checkpoint of a configuration holds.</summary>
internal sealed class LlamaLayout(TransformerConfig config, int vocabularySize, LlamaNaming naming)
{
    private static readonly string[] Ignored = ["rotary_emb.inv_freq", "rope.freqs"];     // tables that older files carry; they are computed

    public LlamaNaming Naming => naming;

    public IEnumerable<LlamaTensor> Tensors => Describe(config, vocabularySize, naming);

    /// <exception cref="FormatException">A tensor is missing, misshapen or left over.</exception>
    public void Require(IReadOnlyDictionary<string, long[]> shapes)
    {
        foreach (LlamaTensor tensor in Tensors)
        {
            if (!shapes.TryGetValue(tensor.Name, out long[]? shape))
                throw new FormatException($"The checkpoint lacks the tensor '{tensor.Name}' [{string.Join(", ", tensor.Shape)}], which its configuration calls for.");
            if (!shape.SequenceEqual(tensor.Shape))
                throw new FormatException($"The checkpoint's tensor '{tensor.Name}' is [{string.Join(", ", shape)}]; its configuration calls for [{string.Join(", ", tensor.Shape)}].");
        }
        HashSet<string> known = [.. Tensors.Select(tensor => tensor.Name)];
        if (shapes.Keys.FirstOrDefault(name => !known.Contains(name) && !IsIgnored(name)) is { } unknown)
            throw new FormatException($"The checkpoint holds the tensor '{unknown}', which no Llama of its configuration has.");
    }

    /// <summary>Copies a checkpoint's tensors into a network, whatever their number format. Rows of tokens after the checkpoint's stay as they are.</summary>
    public void CopyTo(TransfusionNetwork network, Func<string, Tensor> read)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> own = network.state_dict();
        foreach (LlamaTensor tensor in Tensors)
        {
            using var one = NewDisposeScope();
            Tensor rows = own[tensor.Own].narrow(0, tensor.Row, tensor.Shape[0]);
            rows.copy_(Reorder(read(tensor.Name), tensor, toPairs: true));
        }
    }

    /// <summary>A network's text path under the checkpoint's names; most of the tensors are views of its weights.</summary>
    public Dictionary<string, Tensor> CopyFrom(TransfusionNetwork network)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> own = network.state_dict();
        return Tensors.ToDictionary(tensor => tensor.Name,
            tensor => Reorder(own[tensor.Own].narrow(0, tensor.Row, tensor.Shape[0]), tensor, toPairs: false).detach().MoveToOuterDisposeScope());
    }

    private Tensor Reorder(Tensor rows, LlamaTensor tensor, bool toPairs)
    {
        if (!tensor.IsRotary || naming == LlamaNaming.Meta)
            return rows;
        long half = config.HeadSize / 2;
        long[] split = toPairs ? [-1, 2, half, tensor.Shape[1]] : [-1, half, 2, tensor.Shape[1]];
        return rows.view(split).transpose(1, 2).reshape(tensor.Shape);
    }

    // A checkpoint with tied embeddings may carry the second copy.
    private bool IsIgnored(string name) => Ignored.Any(ending => name.EndsWith(ending, StringComparison.Ordinal))
        || (config.TiedEmbeddings && name is "lm_head.weight" or "output.weight");

    private static IEnumerable<LlamaTensor> Describe(TransformerConfig config, int vocabularySize, LlamaNaming naming)
    {
        long width = config.HiddenSize, inner = config.FeedForward, head = config.HeadSize, queries = config.NumberOfHeads * head, keys = config.KeyValueHeads * head;
        string Weight(string huggingFace, string meta) => (naming == LlamaNaming.HuggingFace ? huggingFace : meta) + ".weight";

        yield return new(Weight("model.embed_tokens", "tok_embeddings"), [vocabularySize, width], "embed_tokens.weight");
        for (int layer = 0; layer < config.NumberOfLayers; layer++)
        {
            LlamaTensor Of(string huggingFace, string meta, string own, long[] shape, long row = 0, bool isRotary = false) => new(
                Weight($"model.layers.{layer}.{huggingFace}", $"layers.{layer}.{meta}"), shape, $"layers.{layer}.{own}.weight", row, isRotary);
            yield return Of("input_layernorm", "attention_norm", "input_layernorm", [width]);
            yield return Of("self_attn.q_proj", "attention.wq", "self_attn.qkv_proj", [queries, width], isRotary: true);
            yield return Of("self_attn.k_proj", "attention.wk", "self_attn.qkv_proj", [keys, width], queries, isRotary: true);
            yield return Of("self_attn.v_proj", "attention.wv", "self_attn.qkv_proj", [keys, width], queries + keys);
            yield return Of("self_attn.o_proj", "attention.wo", "self_attn.o_proj", [width, queries]);
            yield return Of("post_attention_layernorm", "ffn_norm", "post_attention_layernorm", [width]);
            yield return Of("mlp.gate_proj", "feed_forward.w1", "mlp.gate_proj", [inner, width]);
            yield return Of("mlp.up_proj", "feed_forward.w3", "mlp.up_proj", [inner, width]);
            yield return Of("mlp.down_proj", "feed_forward.w2", "mlp.down_proj", [width, inner]);
        }
        yield return new(Weight("model.norm", "norm"), [width], "norm.weight");
        if (!config.TiedEmbeddings)
            yield return new(Weight("lm_head", "output"), [vocabularySize, width], "lm_head.weight");
    }
}
