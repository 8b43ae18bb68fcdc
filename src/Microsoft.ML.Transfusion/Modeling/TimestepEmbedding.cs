// The timestep as a vector: sinusoids of geometric frequencies (Ho et al. 2020), then a two-layer perceptron.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static Microsoft.ML.Transfusion.Torch.Arithmetic;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed class TimestepEmbedding : nn.Module<Tensor, Tensor>
{
    /// <summary>Values of the sinusoidal vector.</summary>
    public const int DefaultSize = 256;

    private const double MaxPeriod = 10000;
    private readonly int _size;

    [ComponentName(Name = "linear_1")]
    private readonly Linear _first;
    [ComponentName(Name = "linear_2")]
    private readonly Linear _second;

    /// <param name="size">Values of the sinusoidal vector, an even number.</param>
    public TimestepEmbedding(int hiddenSize, int outputSize, int size = DefaultSize) : base(nameof(TimestepEmbedding))
    {
        _size = size;
        _first = nn.Linear(size, hiddenSize);
        _second = nn.Linear(hiddenSize, outputSize);
        RegisterComponents();
    }

    /// <summary>Timesteps [N] → [N, output size].</summary>
    public override Tensor forward(Tensor timesteps)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = nn.functional.silu(_first.forward(Sinusoids(timesteps, _size).to(_first.weight.dtype)));
        return _second.forward(hidden).MoveToOuterDisposeScope();
    }

    /// <summary>[N] → [N, size], cosines first.</summary>
    internal static Tensor Sinusoids(Tensor timesteps, int size)
    {
        using var scope = NewDisposeScope();
        Tensor exponents = Arange(size / 2, ScalarType.Float32, timesteps.device).Times(-Math.Log(MaxPeriod)).DividedBy(size / 2);
        Tensor angles = outer(timesteps.to(ScalarType.Float32), exponents.exp());
        return cat([angles.cos(), angles.sin()], 1).MoveToOuterDisposeScope();
    }
}
