// AdamW over flat buffers: decay on weight matrices, none on embeddings, norms and biases.
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

internal sealed class AdamW : IDisposable
{
    private readonly FlatParameters _parameters;
    private readonly OptimizerConfig _config;
    private readonly Tensor _firstMoments;                  // [N]
    private readonly Tensor _secondMoments;                 // [N]
    private readonly Tensor _step;                          // scalar

    private readonly long _start;

    /// <param name="start">The first value to move; those before it are another optimizer's.</param>
    public AdamW(FlatParameters parameters, OptimizerConfig config, long start = 0)
    {
        (_parameters, _config, _start) = (parameters, config, start);
        _firstMoments = zeros_like(parameters.Master).DetachFromDisposeScope();
        _secondMoments = zeros_like(parameters.Master).DetachFromDisposeScope();
        _step = zeros([], ScalarType.Float32, parameters.Master.device).DetachFromDisposeScope();
    }

    public void Step(double learningRate)
    {
        Begin();
        Step(learningRate, WorkShare.Whole);
    }

    /// <summary>Counts a step, before its shares.</summary>
    public void Begin()
    {
        using var noGradient = no_grad();
        _step.Increment();
    }

    /// <param name="share">Which of the values.</param>
    public void Step(double learningRate, WorkShare share)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        (long begin, long length) = share.Of(_parameters.Master.shape[0] - _start);
        (long first, long end) = (_start + begin, _start + begin + length);
        long decayed = Math.Clamp(_parameters.DecayedCount, first, end);
        Update(first, decayed - first, learningRate, _config.WeightDecay);
        Update(decayed, end - decayed, learningRate, weightDecay: 0);
    }

    public IEnumerable<(string Name, Tensor Value)> Tensors(string prefix) =>
        [($"{prefix}.first_moments", _firstMoments), ($"{prefix}.second_moments", _secondMoments), ($"{prefix}.step", _step)];

    public void Dispose()
    {
        _firstMoments.Dispose();
        _secondMoments.Dispose();
        _step.Dispose();
    }

    private void Update(long start, long count, double learningRate, double weightDecay)
    {
        if (count == 0)
            return;
        Tensor Slice(Tensor flat) => flat.narrow(0, start, count);
        FusedAdamW.Step(Slice(_parameters.Master), Slice(_parameters.Gradient), Slice(_firstMoments), Slice(_secondMoments), _step,
            learningRate, _config.Beta1, _config.Beta2, weightDecay, _config.Epsilon);
    }
}
