// The network against Meta's own Llama: weights by Meta's names and with rotary pairs side by side give the same logits.
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Serialization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public sealed partial class MetaLlamaGoldenTests : IDisposable
{
    private const string Name = "llama_meta_layout";

    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [SkippableFact]
    public void Logits_are_those_of_Meta_s_Llama()
    {
        GoldenFile golden = GoldenFile.Open(Name);
        LlamaConfigFile config = ReadConfig(golden.Config);
        var layout = new LlamaLayout(config.Transformer, config.Table.Rows, config.Naming);
        using var network = new TransfusionNetwork(config.Transformer, config.Table.Rows, patchVectorSize: 4, patchCount: 1);
        Tensor ids = golden["io.input_ids"];

        layout.Require(golden.Tensors.Where(entry => !entry.Key.StartsWith("io.", StringComparison.Ordinal)).ToDictionary(entry => entry.Key, entry => entry.Value.shape));
        layout.CopyTo(network, name => golden[name]);
        Tensor hidden = network.Forward(network.EmbedTokens(ids.flatten()).view([.. ids.shape, -1]), new TransfusionMask((int)ids.shape[1], [[]]));

        golden.Check("io.logits", network.Logits(hidden.flatten(0, 1)).view([.. ids.shape, -1]), LlamaRecording.Tolerance);
    }

    [SkippableFact]
    public void The_rotary_table_is_Meta_s()
    {
        GoldenFile golden = GoldenFile.Open(Name);
        TransformerConfig config = ReadConfig(golden.Config).Transformer;

        Tensor table = RotaryEmbedding.Table((int)golden["io.freqs_cis_real"].shape[0], config.HeadSize, config.RopeTheta, CPU).squeeze(1);

        golden.Check("io.freqs_cis_real", table.real, LlamaRecording.Tolerance);
        golden.Check("io.freqs_cis_imag", table.imag, LlamaRecording.Tolerance);
    }

    [SkippableFact]
    public void The_feed_forward_width_is_computed_as_Meta_does()
    {
        GoldenFile golden = GoldenFile.Open(Name);

        golden.CheckEqual("hidden_dim", [golden.Config.GetProperty("hidden_dim").GetInt64()], [ReadConfig(golden.Config).Transformer.FeedForward]);
    }

    /// <summary>The recorded settings, read as a params.json, which leaves the feed-forward width to a rule; the recording words the rotary base.</summary>
    private static LlamaConfigFile ReadConfig(JsonElement recorded)
    {
        JsonObject config = JsonObject.Create(recorded)!;
        config.Remove("hidden_dim");
        if (config.TryGetPropertyValue("rope", out JsonNode? rope))
            config["rope_theta"] = double.Parse(RotaryBase().Match(rope!.GetValue<string>()).Groups[1].Value);
        return LlamaConfigFile.Read(LlamaConfigFile.MetaName, JsonSerializer.SerializeToUtf8Bytes(config));
    }

    [GeneratedRegex(@"theta ([\d.e+]+)")]
    private static partial Regex RotaryBase();
}
