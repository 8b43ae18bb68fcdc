// The network against Hugging Face's Llama, number by number: logits, gradients and cached decoding.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tests.Golden;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

public sealed class LlamaGoldenTests : IDisposable
{
    private const int Length = 24;
    private const double Tolerance = 1e-5;

    private static readonly TransfusionMask Causal = new(Length, [[]]);
    private static readonly ImageSpan[][] Spans = [[new(5, 8)], [new(3, 6), new(12, 8)]];

    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [SkippableTheory]
    [InlineData("llama_tiny", 4)]
    [InlineData("llama_tiny_gqa", 2)]
    public void Logits_are_those_of_Llama_under_the_causal_mask(string name, int keyValueHeads)
    {
        using TransfusionNetwork network = LlamaWeights.Load(name, keyValueHeads);
        Dictionary<string, Tensor> golden = GoldenFile.Read(name + "_io");
        Tensor embedded = Embed(network, golden["input_ids"]);

        TensorAssert.Close(golden["causal.logits"], Logits(network, network.Forward(embedded, Causal, denseMask: true)), Tolerance, "dense");
        TensorAssert.Close(golden["causal.logits"], Logits(network, network.Forward(embedded, Causal, denseMask: false)), Tolerance, "segments");
    }

    [SkippableTheory]
    [InlineData("llama_tiny", 4)]
    [InlineData("llama_tiny_gqa", 2)]
    public void Logits_are_those_of_Llama_under_the_Transfusion_mask(string name, int keyValueHeads)
    {
        using TransfusionNetwork network = LlamaWeights.Load(name, keyValueHeads);
        Dictionary<string, Tensor> golden = GoldenFile.Read(name + "_io");
        Tensor embedded = Embed(network, golden["input_ids"]);

        Tensor together = Logits(network, network.Forward(embedded, new TransfusionMask(Length, Spans)));

        TensorAssert.Close(golden["transfusion.logits"], together, Tolerance, "both rows");
        for (int row = 0; row < 2; row++)
        {
            Tensor alone = network.Forward(embedded.narrow(0, row, 1), new TransfusionMask(Length, [Spans[row]]), denseMask: false);
            TensorAssert.Close(golden["transfusion.logits"].narrow(0, row, 1), Logits(network, alone), Tolerance, $"row {row} by segments");
        }
        Tensor ofEmbeddings = network.Forward(golden["embeds.inputs_embeds"], new TransfusionMask(Length, Spans));
        TensorAssert.Close(golden["embeds.logits"], Logits(network, ofEmbeddings), Tolerance, "mixed embeddings");
    }

    [SkippableTheory]
    [InlineData("llama_tiny", 4)]
    [InlineData("llama_tiny_gqa", 2)]
    public void Gradients_are_those_of_Llama(string name, int keyValueHeads)
    {
        using TransfusionNetwork network = LlamaWeights.Load(name, keyValueHeads);
        Tensor ids = GoldenFile.Read(name + "_io")["input_ids"];
        Dictionary<string, Tensor> golden = LlamaWeights.Convert(GoldenFile.Read(name + "_grads"), "grad.", network.Config);

        Tensor logits = Logits(network, network.Forward(Embed(network, ids), Causal)).narrow(1, 0, Length - 1);
        nn.functional.cross_entropy(logits.flatten(0, 1), ids.narrow(1, 1, Length - 1).flatten()).backward();

        Assert.Equal(3 * 7 + 3, golden.Count);
        Dictionary<string, TorchSharp.Modules.Parameter> parameters = network.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        foreach ((string key, Tensor expected) in golden)
            TensorAssert.Close(expected, parameters[key].grad!, Tolerance, key);
    }

    [SkippableTheory]
    [InlineData("llama_tiny", 4)]
    [InlineData("llama_tiny_gqa", 2)]
    public void Cached_greedy_decoding_is_that_of_Llama(string name, int keyValueHeads)
    {
        using var inference = inference_mode();
        using TransfusionNetwork network = LlamaWeights.Load(name, keyValueHeads);
        Dictionary<string, Tensor> golden = GoldenFile.Read(name + "_io");
        Tensor prompt = golden["greedy.prompt"], tokens = golden["greedy.tokens"], expected = golden["greedy.cached_last_logits"];
        using var cache = new KeyValueCache(network.Config, rows: 2, capacity: Length, ScalarType.Float32, CPU);

        Tensor Extend(Tensor ids, TransfusionMask? mask)
        {
            Tensor hidden = network.Forward(Embed(network, ids), mask, cache);
            cache.Advance((int)ids.shape[1]);
            return Logits(network, hidden).select(1, ids.shape[1] - 1);
        }

        Tensor logits = Extend(prompt, new TransfusionMask((int)prompt.shape[1], [[]]));
        for (int step = 0; step < expected.shape[1]; step++)
        {
            TensorAssert.Close(expected.select(1, step), logits, Tolerance, $"step {step}");
            Tensor next = logits.argmax(1);
            Assert.Equal(tokens.select(1, prompt.shape[1] + step).data<long>().ToArray(), next.data<long>().ToArray());
            logits = Extend(next.unsqueeze(1), null);
        }
    }

    private static Tensor Embed(TransfusionNetwork network, Tensor ids) =>
        network.EmbedTokens(ids.flatten()).view(ids.shape[0], ids.shape[1], -1);

    private static Tensor Logits(TransfusionNetwork network, Tensor hidden) =>
        network.Logits(hidden.flatten(0, 1)).view(hidden.shape[0], hidden.shape[1], -1);
}
