// Hugging Face's Llama under the Transfusion mask (Zhou et al. 2024, §3): what the mask lets through, what attention makes of it, both losses,
// and the gradient of the embedded positions.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public sealed class LlamaTransfusionGoldenTests : IDisposable
{
    private const double Tolerance = LlamaRecording.Tolerance;

    private readonly DisposeScope _scope = NewDisposeScope();

    public static TheoryData<string> Names => LlamaGoldenTests.Names;

    public void Dispose() => _scope.Dispose();

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void The_mask_allows_what_the_recorded_mask_allows(string name)
    {
        using LlamaRecording llama = LlamaRecording.Open(name);

        Tensor allowed = llama.Mask.ToAdditive(ScalarType.Float32, CPU).squeeze(1).exp();

        llama.Io.Check("transfusion.mask_bool", llama.Io["transfusion.mask_bool"].to(ScalarType.Float32), allowed.expand(llama.Rows, -1, -1), 0);
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void Logits_and_loss_are_those_of_Llama_under_the_mask(string name)
    {
        using LlamaRecording llama = LlamaRecording.Open(name);
        Tensor embedded = llama.Embed(llama.Ids), expected = llama.Io["transfusion.logits"];

        Tensor logits = llama.Logits(llama.Network.Forward(embedded, llama.Mask, denseMask: true));

        llama.Io.Check("transfusion.logits", expected, logits, Tolerance, "dense");
        llama.Io.Check("transfusion.loss", LlamaRecording.LanguageLoss(logits, llama.Io["transfusion.labels"]).mean(), Tolerance);
        for (int row = 0; row < llama.Rows; row++)
        {
            Tensor alone = llama.Network.Forward(embedded.narrow(0, row, 1), new TransfusionMask(llama.Length, [llama.Spans[row]]), denseMask: false);
            llama.Io.Check("transfusion.logits", expected.narrow(0, row, 1), llama.Logits(alone), Tolerance, $"row {row} by segments");
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void Attention_probabilities_of_the_first_block_are_those_of_Llama(string name)
    {
        using LlamaRecording llama = LlamaRecording.Open(name);
        Dictionary<string, nn.Module> modules = llama.Network.named_modules().ToDictionary(entry => entry.name, entry => entry.module);
        TransformerConfig config = llama.Config.Transformer;
        Tensor table = RotaryEmbedding.Table(llama.Length, config.HeadSize, config.RopeTheta, CPU);
        Tensor normalized = ((RmsNorm)modules["layers.0.input_layernorm"]).forward(llama.Embed(llama.Ids));
        (Tensor queries, Tensor keys, _) = ((SelfAttention)modules["layers.0.self_attn"]).Project(normalized, table);
        Tensor identity = eye(llama.Length).expand(llama.Rows, config.KeyValueHeads, -1, -1);    // as values, it shows the probabilities
        Tensor expected = llama.Io["transfusion.attn_layer0"];

        Tensor mask = llama.Mask.ToAdditive(ScalarType.Float32, CPU);
        Tensor dense = Attention.Attend(queries, keys, identity, new AttentionContext(table, llama.Mask, mask));
        Tensor AsRepeated(Tensor heads) => Attention.Repeat(heads, config.NumberOfHeads);

        llama.Io.Check("transfusion.attn_layer0", expected, dense, Tolerance, "dense");
        llama.Io.Check("transfusion.attn_layer0", expected, Attention.ByHand(queries, AsRepeated(keys), AsRepeated(identity), mask), Tolerance, "by hand");
        for (int row = 0; row < llama.Rows; row++)
        {
            Tensor Row(Tensor all) => all.narrow(0, row, 1);
            var context = new AttentionContext(table, new TransfusionMask(llama.Length, [llama.Spans[row]]), null);
            llama.Io.Check("transfusion.attn_layer0", Row(expected), Attention.Attend(Row(queries), Row(keys), Row(identity), context), Tolerance, $"row {row} by segments");
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void Losses_and_input_gradients_of_mixed_embeddings_are_those_of_Llama(string name)
    {
        using LlamaRecording llama = LlamaRecording.Open(name);
        Tensor embedded = llama.Io["embeds.inputs_embeds"].clone().requires_grad_();
        Tensor patches = llama.Io["embeds.in_image"].flatten().nonzero().squeeze(1);

        Tensor hidden = llama.Network.Forward(embedded, llama.Mask);
        Tensor logits = llama.Logits(hidden), last = llama.Normalize(hidden);
        Tensor squares = last.flatten(0, 1).index_select(0, patches).square().mean([1]);         // of each patch, against a prediction of zeros
        var loss = new LossParts(LlamaRecording.LanguageLoss(logits, llama.Io["transfusion.labels"]), squares);
        Tensor total = loss.Total(DiffusionLossWeight(llama.Io));
        total.backward();

        llama.Io.Check("embeds.last_hidden", last, Tolerance);
        llama.Io.Check("embeds.logits", logits, Tolerance);
        llama.Io.Check("embeds.ce_loss", loss.LanguageLoss!.mean(), Tolerance);
        llama.Io.Check("embeds.mse", loss.DiffusionLoss!.mean(), Tolerance);
        llama.Io.Check("embeds.total", total, Tolerance);
        llama.Io.Check("embeds.grad_inputs_embeds", embedded.grad!, Tolerance);
    }

    /// <summary>The recorded λ: total = cross-entropy + λ · squared error.</summary>
    private static double DiffusionLossWeight(GoldenFile golden) =>
        Math.Round((golden["embeds.total"].ToDouble() - golden["embeds.ce_loss"].ToDouble()) / golden["embeds.mse"].ToDouble(), 3);
}
