// The network against Hugging Face's Llama, number by number: logits, hidden states, losses, gradients, padding and cached decoding.
using System.Text.Json;
using Microsoft.ML.Transfusion.Evaluation;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public sealed class LlamaGoldenTests : IDisposable
{
    private const double Tolerance = LlamaRecording.Tolerance;

    private readonly DisposeScope _scope = NewDisposeScope();

    public static TheoryData<string> Names => ["llama_tiny", "llama_tiny_gqa"];

    public void Dispose() => _scope.Dispose();

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void Logits_are_those_of_Llama_under_the_causal_mask(string name)
    {
        using LlamaRecording llama = LlamaRecording.Open(name);
        Tensor embedded = llama.Embed(llama.Ids);

        foreach (bool dense in (bool[])[true, false])
            llama.Io.Check("causal.logits", llama.Io["causal.logits"], llama.Logits(llama.Network.Forward(embedded, llama.Causal, denseMask: dense)), Tolerance, dense ? "dense" : "segments");
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void Hidden_states_are_those_of_Llama_before_every_block_and_after_the_last_norm(string name)
    {
        using LlamaRecording llama = LlamaRecording.Open(name);
        Tensor embedded = llama.Embed(llama.Ids);
        int layers = llama.Config.Transformer.NumberOfLayers;

        llama.Io.Check("causal.hidden_states.0", embedded, Tolerance);
        for (int layer = 1; layer < layers; layer++)
        {
            using TransfusionNetwork first = llama.FirstLayers(layer);
            llama.Io.Check($"causal.hidden_states.{layer}", first.Forward(embedded, llama.Causal), Tolerance);
        }
        llama.Io.Check($"causal.hidden_states.{layers}", llama.Normalize(llama.Network.Forward(embedded, llama.Causal)), Tolerance);
        Assert.DoesNotContain($"causal.hidden_states.{layers + 1}", llama.Io.Tensors.Keys);
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void Loss_and_perplexity_in_training_are_those_of_Llama(string name)
    {
        using LlamaRecording llama = LlamaRecording.Open(name);

        Tensor losses = llama.LanguageLoss();

        llama.Io.Check("causal.loss", losses.mean(), Tolerance);
        if (llama.Io.Json.TryGetProperty("perplexity_causal", out JsonElement perplexity))
            llama.Io.Check("causal perplexity", perplexity.GetDouble(), Perplexity.Of(losses.sum().ToDouble(), losses.numel()), Tolerance, relative: true);
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void Gradients_in_training_are_those_of_Llama(string name)
    {
        GoldenFile recorded = GoldenFile.Open(name + "_grads");
        using LlamaRecording llama = LlamaRecording.Open(name);
        using TransfusionNetwork gradients = llama.ReadGradients(recorded);

        llama.LanguageLoss().mean().backward();

        foreach ((string key, Parameter parameter) in llama.Network.named_parameters())
        {
            if (!key.Contains("patch", StringComparison.Ordinal))
                recorded.Check("gradients of every parameter", gradients.get_parameter(key)!, parameter.grad!, Tolerance, key);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void Padding_on_the_right_changes_no_real_position(string name)
    {
        using LlamaRecording llama = LlamaRecording.Open(name);
        Tensor real = llama.Io["padded.attention_mask"];                               // [B, T]; what Llama says on padding means nothing
        Tensor ids = llama.Ids * real;

        Tensor logits = llama.Logits(llama.Network.Forward(llama.Embed(ids), llama.Causal));

        llama.Io.Check("padded.logits", llama.Io["padded.logits"] * real.unsqueeze(2), logits * real.unsqueeze(2), Tolerance);
        llama.Io.Check("padded.loss", LlamaRecording.LanguageLoss(logits, llama.Ids * real - (1 - real)).mean(), Tolerance);
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void Cached_greedy_decoding_is_that_of_Llama(string name)
    {
        using LlamaRecording llama = LlamaRecording.Open(name);
        Tensor prompt = llama.Io["greedy.prompt"], tokens = llama.Io["greedy.tokens"], expected = llama.Io["greedy.cached_last_logits"];
        int rows = (int)prompt.shape[0], vocabulary = (int)expected.shape[2];
        foreach (IInferenceNetwork inference in (IInferenceNetwork[])[new CpuInference(llama.Network), new TorchInference(llama.Network)])
        {
            RowCache[] caches = [.. Enumerable.Range(0, rows).Select(_ => inference.CreateCache((int)tokens.shape[1] + 1))];
            var chosen = new List<Tensor> { prompt };
            for (int step = 0; step < expected.shape[1]; step++)
            {
                RowPass[] passes = [.. caches.Select((cache, row) => new RowPass(cache, [PassPart.Tokens([.. chosen[^1][row].data<long>().Select(id => (int)id)])], PassResult.LastLogits))];
                inference.Run(passes);
                Tensor logits = stack([.. passes.Select(pass => tensor(pass.Result[..vocabulary]))]);
                llama.Io.Check("greedy.cached_last_logits", expected.select(1, step), logits, Tolerance, $"step {step}");
                chosen.Add(logits.argmax(1, keepdim: true));
            }
            foreach (IDisposable part in (IDisposable[])[.. caches, inference])
                part.Dispose();
            llama.Io.CheckEqual("greedy.tokens", tokens.flatten().data<long>(), cat([.. chosen], 1).contiguous().flatten().data<long>());
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void Rotary_angles_are_those_of_Llama(string name)
    {
        GoldenFile golden = GoldenFile.Open(name + "_io");
        TransformerConfig config = LlamaRecording.ReadConfig(golden.Config).Transformer;
        Tensor table = RotaryEmbedding.Table((int)golden["rope.cos"].shape[0], config.HeadSize, config.RopeTheta, CPU).squeeze(1);

        golden.Check("rope.cos", cat([table.real, table.real], 1), Tolerance);         // Hugging Face has each angle twice
        golden.Check("rope.sin", cat([table.imag, table.imag], 1), Tolerance);
    }
}
