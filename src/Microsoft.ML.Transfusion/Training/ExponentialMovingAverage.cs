// The average of the weights over recent steps: what a finished model uses, since single steps of diffusion training are noisy.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

internal sealed class ExponentialMovingAverage(Tensor weights, double decay) : IDisposable
{
    private readonly Tensor _updates = zeros([], ScalarType.Int64).DetachFromDisposeScope();

    /// <summary>The averaged weights, [N].</summary>
    public Tensor Average { get; } = weights.clone().DetachFromDisposeScope();

    /// <summary>average ← average + (1 − d) · (weights − average); d grows with the steps so that the first ones do not linger.</summary>
    public void Update()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        long updates = _updates.Increment().AsInt64();
        double effective = Math.Min(decay, (1.0 + updates) / (10.0 + updates));
        Average.lerp_(weights, (float)(1 - effective));
    }

    public IEnumerable<(string Name, Tensor Value)> Tensors(string prefix) => [($"{prefix}.weights", Average), ($"{prefix}.updates", _updates)];

    public void Dispose()
    {
        Average.Dispose();
        _updates.Dispose();
    }
}
