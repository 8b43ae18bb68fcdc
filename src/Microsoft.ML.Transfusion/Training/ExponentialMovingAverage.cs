// The average of the weights over recent steps: what a finished model uses, since single steps of diffusion training are noisy.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

internal sealed class ExponentialMovingAverage(Tensor weights, double decay) : IDisposable
{
    private float _step;
    private readonly Tensor _updates = zeros([], ScalarType.Int64).DetachFromDisposeScope();

    /// <summary>The averaged weights, [N].</summary>
    public Tensor Average { get; } = weights.clone().DetachFromDisposeScope();

    /// <summary>average ← average + (1 − d) · (weights − average); d grows with the steps so that the first ones do not linger.</summary>
    public void Update()
    {
        Begin();
        Update(WorkShare.Whole);
    }

    /// <summary>Counts an update, before its shares.</summary>
    public void Begin()
    {
        using var noGradient = no_grad();
        long updates = _updates.Increment().AsInt64();
        _step = (float)(1 - Math.Min(decay, (1.0 + updates) / (10.0 + updates)));
    }

    /// <param name="share">Which of the values.</param>
    public void Update(WorkShare share)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        (long begin, long length) = share.Of(weights.shape[0]);
        Average.narrow(0, begin, length).lerp_(weights.narrow(0, begin, length), _step);
    }

    public IEnumerable<(string Name, Tensor Value)> Tensors(string prefix) => [($"{prefix}.weights", Average), ($"{prefix}.updates", _updates)];

    public void Dispose()
    {
        Average.Dispose();
        _updates.Dispose();
    }
}
