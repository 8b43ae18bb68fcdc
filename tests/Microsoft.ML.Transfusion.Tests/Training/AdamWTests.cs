using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Tests.Modeling;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Training;

public sealed class AdamWTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly TransfusionNetwork _network = RandomNetwork.Create(TinyNetwork.Config.Transformer);
    private readonly OptimizerConfig _config = new() { Beta1 = 0.9, Beta2 = 0.95, Epsilon = 1e-8, WeightDecay = 0.1 };

    public void Dispose()
    {
        _network.Dispose();
        _scope.Dispose();
    }

    [Fact]
    public void Step_is_that_of_torch_and_decays_matrices_alone()
    {
        using var noGradient = no_grad();
        using var generator = new Generator(1, CPU);
        using var flat = new FlatParameters(_network, ScalarType.Float32);
        using var adam = new Microsoft.ML.Transfusion.Training.AdamW(flat, _config);
        var decayed = new Parameter(flat.Master.narrow(0, 0, flat.DecayedCount).clone());
        var free = new Parameter(flat.Master.narrow(0, flat.DecayedCount, flat.Master.shape[0] - flat.DecayedCount).clone());
        using optim.Optimizer decaying = optim.AdamW([decayed], 2e-3, 0.9, 0.95, 1e-8, 0.1), other = optim.AdamW([free], 2e-3, 0.9, 0.95, 1e-8, 0);
        for (int step = 0; step < 20; step++)
        {
            flat.Gradient.copy_(randn(flat.Gradient.shape, generator: generator));
            decayed.grad = flat.Gradient.narrow(0, 0, flat.DecayedCount).clone();
            free.grad = flat.Gradient.narrow(0, flat.DecayedCount, free.shape[0]).clone();

            adam.Step(2e-3);
            decaying.step();
            other.step();

            TensorAssert.Close(cat([decayed, free], 0), flat.Master, 1e-5, $"step {step}");
        }
    }
}
