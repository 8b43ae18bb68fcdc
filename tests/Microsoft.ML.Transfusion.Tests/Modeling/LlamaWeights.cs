// Hugging Face's Llama weights in this network's layout: query, key and value matrices are one, and a head's channels go in the order of
// complex pairs where Hugging Face has all real parts before all imaginary ones.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Tests.Golden;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

internal static class LlamaWeights
{
    public const int Vocabulary = 128;

    public static TransfusionNetwork Load(string name, int keyValueHeads)
    {
        TransformerConfig config = new()
        {
            HiddenSize = 64,
            NumberOfLayers = 3,
            NumberOfHeads = 4,
            NumberOfKeyValueHeads = keyValueHeads,
            FeedForwardSize = 172,
            MaxSequenceLength = 64,
        };
        var network = new TransfusionNetwork(config, Vocabulary, RandomNetwork.PatchVectorSize, RandomNetwork.PatchCount);
        Dictionary<string, Tensor> weights = Convert(GoldenFile.Read(name + "_weights"), "", config);
        foreach ((string key, Tensor own) in network.state_dict().Where(entry => !weights.ContainsKey(entry.Key)))
            weights.Add(key, own.detach().clone());                  // what turns patches into positions and back; Llama has none
        network.Load(weights);
        return network;
    }

    /// <summary>Weights, or gradients of them, whose names have a prefix.</summary>
    public static Dictionary<string, Tensor> Convert(Dictionary<string, Tensor> golden, string prefix, TransformerConfig config)
    {
        var converted = new Dictionary<string, Tensor>();
        foreach ((string key, Tensor value) in golden)
        {
            string name = key[prefix.Length..].Replace("model.", "", StringComparison.Ordinal);
            if (name.Contains("k_proj", StringComparison.Ordinal) || name.Contains("v_proj", StringComparison.Ordinal))
                continue;
            Tensor At(string projection) => golden[key.Replace("q_proj", projection, StringComparison.Ordinal)];
            if (name.Contains("q_proj", StringComparison.Ordinal))
                converted.Add(name.Replace("q_proj", "qkv_proj", StringComparison.Ordinal), cat([Interleave(value, config), Interleave(At("k_proj"), config), At("v_proj")], 0));
            else
                converted.Add(name, value);
        }
        return converted;
    }

    private static Tensor Interleave(Tensor rows, TransformerConfig config) =>
        rows.view(-1, 2, config.HeadSize / 2, rows.shape[1]).transpose(1, 2).reshape(rows.shape);
}
