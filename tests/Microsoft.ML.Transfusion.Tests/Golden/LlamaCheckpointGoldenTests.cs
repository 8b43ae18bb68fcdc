// The recorded weights as a checkpoint in a folder: what is read gives the recorded logits, and what is written back are the recorded bits.
using System.Text.Json.Nodes;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Serialization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public sealed class LlamaCheckpointGoldenTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Generator _generator = new(1, CPU);

    public static TheoryData<string> Names => LlamaGoldenTests.Names;

    public void Dispose()
    {
        _generator.Dispose();
        _scope.Dispose();
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void A_folder_of_the_weights_loads_to_the_logits_and_is_written_back_bit_for_bit(string name)
    {
        using LlamaRecording llama = LlamaRecording.Open(name);
        using var temporary = new TemporaryFolder();
        JsonObject config = JsonObject.Create(llama.Io.Config)!;
        config["model_type"] = "llama";
        File.WriteAllText(temporary.File("config.json"), config.ToJsonString());
        File.Copy(GoldenFile.PathOf(name + "_weights.safetensors"), temporary.File("model.safetensors"));
        LlamaCheckpoint checkpoint = LlamaCheckpoint.Open(temporary.Path);
        using var network = new TransfusionNetwork(checkpoint.Transformer, checkpoint.Table.Rows, patchVectorSize: 4, patchCount: 1);

        checkpoint.CopyTo(network, _generator);

        Tensor embedded = network.EmbedTokens(llama.Ids.flatten()).view(llama.Rows, llama.Length, -1);
        Tensor logits = network.Logits(network.Forward(embedded, llama.Causal).flatten(0, 1)).view(llama.Rows, llama.Length, -1);
        llama.Io.Check("logits of a folder", llama.Io["causal.logits"], logits, LlamaRecording.Tolerance);
        Dictionary<string, Tensor> written = new LlamaLayout(checkpoint.Transformer, checkpoint.Table.Rows, LlamaNaming.HuggingFace).CopyFrom(network);
        GoldenFile recorded = GoldenFile.Open(name + "_weights");
        foreach ((string key, Tensor weight) in written)
            recorded.Check("weights written back", recorded[key], weight, 0, key);
        Assert.NotEmpty(written);
    }
}
