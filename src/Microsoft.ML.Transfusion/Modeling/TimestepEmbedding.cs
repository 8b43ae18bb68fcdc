// The timestep as a vector: sinusoids of geometric frequencies (Ho et al. 2020), then a two-layer perceptron.
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed class TimestepEmbedding : nn.Module<Tensor, Tensor>
{
    private const int Frequencies = 128;
    private const double MaxPeriod = 10000;

    [ComponentName(Name = "linear_1")]
    private readonly Linear _first;
    [ComponentName(Name = "linear_2")]
    private readonly Linear _second;

    public TimestepEmbedding(int hiddenSize, int outputSize) : base(nameof(TimestepEmbedding))
    {
        _first = nn.Linear(2 * Frequencies, hiddenSize);
        _second = nn.Linear(hiddenSize, outputSize);
        RegisterComponents();
    }

    /// <summary>Timesteps [N] → [N, output size].</summary>
    public override Tensor forward(Tensor timesteps)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = nn.functional.silu(_first.forward(Sinusoids(timesteps).to(_first.weight.dtype)));
        return _second.forward(hidden).MoveToOuterDisposeScope();
    }

    /// <summary>[N] → [N, 2 · <see cref="Frequencies"/>], cosines first.</summary>
    private static Tensor Sinusoids(Tensor timesteps)
    {
        using var scope = NewDisposeScope();
        Tensor exponents = arange(Frequencies, ScalarType.Float32, timesteps.device) * (-Math.Log(MaxPeriod) / Frequencies);
        Tensor angles = outer(timesteps.to(ScalarType.Float32), exponents.exp());
        return cat([angles.cos(), angles.sin()], 1).MoveToOuterDisposeScope();
    }
}
