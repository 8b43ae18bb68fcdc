// What a step does beside its products, part by part: the network's own code on tensors of the step's shapes, forward and backward, alone.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Torch;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal sealed class StepParts(StepShape shape, TrainingBatch batch, TrainingState state, TrainingOptions options, Device device) : IDisposable
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

    /// <summary>Attention in every layer, its products included.</summary>
    public Action Attentions()
    {
        AttentionContext context = Context();
        Tensor Heads() => Random(shape.Rows, _config.NumberOfHeads, shape.Length, _config.HeadSize);
        return ForwardAndBackward(_config.NumberOfLayers, inputs => Attention.Attend(inputs[0], inputs[1], inputs[2], context), Heads(), Heads(), Heads());
    }

    /// <summary>Queries and keys turned to their positions in every layer.</summary>
    public Action Rotary()
    {
        Tensor table = RotaryEmbedding.Table(shape.Length, _config.HeadSize, _config.RopeTheta, device);
        return ForwardAndBackward(_config.NumberOfLayers, inputs => RotaryEmbedding.Apply(inputs[0], table),
            Random(shape.Rows, shape.Length, _config.NumberOfHeads + _config.KeyValueHeads, _config.HeadSize));
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
        state.Parameters.ZeroGradient();
        state.Parameters.GatherGradient();
        GradientClipping.Clip(state.Parameters.Gradient, options.Optimizer.MaxGradientNorm);
        state.Update(learningRate: 0);
    };

    /// <summary>libtorch's choice for fused attention, where the network uses it.</summary>
    public string AttentionKernel()
    {
        if (_dtype == ScalarType.BFloat16 && device.type == DeviceType.CPU)
            return "by hand";
        using var scope = NewDisposeScope();
        Tensor heads = Random(shape.Rows, _config.NumberOfHeads, shape.Length, _config.HeadSize);
        AttentionContext context = Context();
        Span<ulong> stack =
        [
            Dispatcher.Argument(heads), Dispatcher.Argument(heads), Dispatcher.Argument(heads),
            context.AdditiveMask is null ? 0 : Dispatcher.Optional(context.AdditiveMask),
            Dispatcher.Argument(0.0),                       // dropout
            0,                                              // is_causal
            0,                                              // scale: the default
            0,                                              // enable_gqa
        ];
        Dispatcher.Call("aten::_fused_sdp_choice\0"u8, "\0"u8, stack);
        string kernel = stack[0] switch { 0 => "plain products", 1 => "flash", 2 => "memory-efficient", 3 => "cuDNN", _ => $"number {stack[0]}" };
        return context.AdditiveMask is null ? $"{kernel}, by segments" : $"{kernel}, dense mask";
    }

    public void Dispose() => _scope.Dispose();

    private AttentionContext Context() => new(
        RotaryEmbedding.Table(shape.Length, _config.HeadSize, _config.RopeTheta, device), batch.Sequences.Mask,
        state.Network.PrefersDenseMask(batch.Sequences.Mask) ? batch.Sequences.Mask.ToAdditive(_dtype, device) : null, null);

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
