// What a step does beside its products, part by part: the network's own code on tensors of the step's shapes, forward and backward, alone.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Torch;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal sealed class StepParts(StepShape shape, TrainingBatch batch, TrainingState state, TrainingStep step, Device device) : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly TransformerConfig _config = shape.Config.Transformer;
    private readonly ScalarType _dtype = state.Parameters.ComputeDtype;

    /// <summary>Two norms in every layer and the last one.</summary>
    public Action Norms()
    {
        var norm = new RmsNorm(_config.HiddenSize, _config.NormEpsilon);
        norm.to(_dtype).to(device);
        return ForwardAndBackward(2 * _config.NumberOfLayers + 1, inputs => norm.forward(inputs[0]), Random(shape.Rows, shape.Length, _config.HiddenSize));
    }

    /// <summary>Rotary embedding and attention in every layer, the products included.</summary>
    public Action Attentions()
    {
        Tensor rotary = RotaryEmbedding.Table(shape.Length, _config.HeadSize, _config.RopeTheta, device);
        if (IsFused)
        {
            var layout = new AttentionLayout(_config.NumberOfHeads, _config.KeyValueHeads, _config.HeadSize, batch.Sequences.Mask.VisibleCounts(), HeadRows.Turns(rotary));
            return ForwardAndBackward(_config.NumberOfLayers, inputs => FusedAttention.Apply(inputs[0], layout), Random(shape.Rows, shape.Length, layout.Width));
        }
        var context = new AttentionContext(rotary, batch.Sequences.Mask, DenseMask());
        Tensor ByHead(Tensor heads) => RotaryEmbedding.Apply(heads, rotary).transpose(1, 2);
        Tensor Heads() => Random(shape.Rows, shape.Length, _config.NumberOfHeads, _config.HeadSize);
        return ForwardAndBackward(_config.NumberOfLayers, inputs => Attention.Attend(ByHead(inputs[0]), ByHead(inputs[1]), inputs[2].transpose(1, 2), context), Heads(), Heads(), Heads());
    }

    /// <summary>silu(gate) · up in every layer.</summary>
    public Action Gates()
    {
        Tensor Half() => Random(shape.Rows, shape.Length, _config.FeedForward);
        return ForwardAndBackward(_config.NumberOfLayers, inputs => SwiGlu.Apply(inputs[0], inputs[1]), Half(), Half());
    }

    /// <summary>Logits to cross entropy; the head's products are not in it.</summary>
    public Action LanguageLoss()
    {
        Tensor targets = batch.Sequences.Targets.to(device);
        return ForwardAndBackward(1, inputs => nn.functional.cross_entropy(inputs[0].to(ScalarType.Float32), targets), Random((int)targets.shape[0], shape.VocabularySize));
    }

    /// <summary>Everything after the backward pass.</summary>
    public Action Update() => () =>
    {
        step.Gather(state.Parameters);
        step.Update(learningRate: 0);
    };

    /// <summary>This library's own attention, or libtorch's choice for its fused one.</summary>
    public string AttentionKernel()
    {
        if (IsFused)
            return "fused, head by head in the cache";
        using var scope = NewDisposeScope();
        Tensor heads = Random(shape.Rows, _config.NumberOfHeads, shape.Length, _config.HeadSize);
        Tensor? mask = DenseMask();
        Span<ulong> stack =
        [
            Dispatcher.Argument(heads), Dispatcher.Argument(heads), Dispatcher.Argument(heads), mask is null ? 0 : Dispatcher.Optional(mask),
            Dispatcher.Argument(0.0),                       // dropout
            0,                                              // is_causal
            0,                                              // scale: the default
            0,                                              // enable_gqa
        ];
        Dispatcher.Call("aten::_fused_sdp_choice\0"u8, "\0"u8, stack);
        string kernel = stack[0] switch { 0 => "plain products", 1 => "flash", 2 => "memory-efficient", 3 => "cuDNN", _ => $"number {stack[0]}" };
        return mask is null ? $"{kernel}, by segments" : $"{kernel}, dense mask";
    }

    public void Dispose() => _scope.Dispose();

    private bool IsFused => FusedAttention.IsFaster(_dtype, device);

    private Tensor? DenseMask() => state.Network.PrefersDenseMask(batch.Sequences.Mask) ? batch.Sequences.Mask.ToAdditive(_dtype, device) : null;

    private Tensor Random(params ReadOnlySpan<int> sizes) => randn([.. sizes.ToArray().Select(size => (long)size)], device: device).to(_dtype);

    private static Action ForwardAndBackward(int times, Func<Tensor[], Tensor> function, params Tensor[] inputs)
    {
        Tensor? gradient = null;
        return () =>
        {
            for (int i = 0; i < times; i++)
            {
                using var scope = NewDisposeScope();
                Tensor[] leaves = [.. inputs.Select(input => input.detach().requires_grad_())];
                Tensor output = function(leaves);
                gradient ??= randn_like(output).DetachFromDisposeScope();
                output.backward([gradient]);
            }
        };
    }
}
