// A recording of Hugging Face's Llama and this network with the recorded weights: sizes, spans and ids come from the files.
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

internal sealed class LlamaRecording : IDisposable
{
    public const double Tolerance = 1e-5;

    private readonly GoldenFile _weights;

    private LlamaRecording(string name)
    {
        (Name, Io, _weights) = (name, GoldenFile.Open(name + "_io"), GoldenFile.Open(name + "_weights"));
        Config = ReadConfig(Io.Config);
        Network = Create(Config.Transformer, _weights, "");
        Ids = Io["input_ids"];
        Length = (int)Ids.shape[1];
        Spans = [.. Io.Json.GetProperty("spans").EnumerateArray().Select(row => row.EnumerateArray().Select(span => new ImageSpan(span[0].GetInt32(), span[1].GetInt32() - span[0].GetInt32())).ToArray())];
    }

    public string Name { get; }

    public GoldenFile Io { get; }

    public LlamaConfigFile Config { get; }

    public TransfusionNetwork Network { get; }

    /// <summary>[B, T].</summary>
    public Tensor Ids { get; }

    public int Rows => (int)Ids.shape[0];

    public int Length { get; }

    /// <summary>Images by row.</summary>
    public ImageSpan[][] Spans { get; }

    public TransfusionMask Causal => new(Length, [[]]);

    public TransfusionMask Mask => new(Length, Spans);

    public static LlamaRecording Open(string name) => new(name);

    /// <summary>The recorded settings, read as a config.json.</summary>
    public static LlamaConfigFile ReadConfig(JsonElement recorded)
    {
        JsonObject config = JsonObject.Create(recorded)!;
        config["model_type"] = "llama";
        return LlamaConfigFile.Read(LlamaConfigFile.HuggingFaceName, JsonSerializer.SerializeToUtf8Bytes(config));
    }

    /// <summary>The recorded gradients, as the weights of a second network.</summary>
    public TransfusionNetwork ReadGradients(GoldenFile gradients) => Create(Config.Transformer, gradients, "grad.");

    /// <summary>The first blocks alone.</summary>
    public TransfusionNetwork FirstLayers(int count) => Create(Config.Transformer with { NumberOfLayers = count }, _weights, "");

    /// <summary>[B, T] → [B, T, D].</summary>
    public Tensor Embed(Tensor ids) => Network.EmbedTokens(ids.flatten()).view(ids.shape[0], ids.shape[1], -1);

    /// <summary>Hidden states [B, T, D] → [B, T, V].</summary>
    public Tensor Logits(Tensor hidden) => Network.Logits(hidden.flatten(0, 1)).view(hidden.shape[0], hidden.shape[1], -1);

    /// <summary>Hidden states [B, T, D] after the final norm: the patch head is the identity.</summary>
    public Tensor Normalize(Tensor hidden) => Network.PredictPatches(hidden);

    /// <summary>Negative log-likelihoods [B, T − 1] as training takes them, with each row's first id as begin and last as end of sequence.</summary>
    public Tensor LanguageLoss()
    {
        using var diffusion = new GaussianDiffusion(new DiffusionConfig(), CPU);
        var losses = new List<Tensor>();
        for (int row = 0; row < Rows; row++)
        {
            int[] ids = [.. Ids[row].data<long>().Select(id => (int)id)];
            var special = new SpecialTokens(Padding: -2, BeginOfSequence: ids[0], EndOfSequence: ids[^1], BeginOfImage: -3, EndOfImage: -4);
            ArrangedDocument document = Arrangement.AsIs(new Document([new TextPart(ids[1..^1])]), new DiffusionConfig());
            using SequenceBatch batch = SequenceBatch.Create([document], special, patchCount: 1);
            losses.Add(TransfusionLoss.Compute(Network, diffusion, batch, new TransfusionConfig().Grid, draw: null).LanguageLoss!);
        }
        return stack(losses);
    }

    /// <summary>Negative log-likelihoods of the labels that follow each position, where they are 0 or above: [M].</summary>
    public static Tensor LanguageLoss(Tensor logits, Tensor labels)
    {
        Tensor next = labels.narrow(1, 1, labels.shape[1] - 1).flatten();
        Tensor learned = (next >= 0).nonzero().squeeze(1);
        Tensor predictions = logits.narrow(1, 0, labels.shape[1] - 1).flatten(0, 1);
        return nn.functional.cross_entropy(predictions.index_select(0, learned), next.index_select(0, learned), reduction: nn.Reduction.None);
    }

    public void Dispose() => Network.Dispose();

    private TransfusionNetwork Create(TransformerConfig transformer, GoldenFile weights, string prefix)
    {
        var network = new TransfusionNetwork(transformer, Config.Table.Rows, patchVectorSize: transformer.HiddenSize, patchCount: 1);
        var layout = new LlamaLayout(transformer, Config.Table.Rows, Config.Naming);
        if (transformer == Config.Transformer)
            layout.Require(weights.Tensors.ToDictionary(entry => entry.Key[prefix.Length..], entry => entry.Value.shape));
        layout.CopyTo(network, name => weights[prefix + name]);
        using (no_grad())
        {
            network.get_parameter("patch_head.weight")!.copy_(eye(transformer.HiddenSize));
            network.get_parameter("patch_head.bias")!.zero_();
        }
        return network;
    }
}
