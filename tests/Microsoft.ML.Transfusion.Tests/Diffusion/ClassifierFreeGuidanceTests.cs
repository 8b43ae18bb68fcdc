using Microsoft.ML.Transfusion.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Diffusion;

public sealed class ClassifierFreeGuidanceTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Generator _generator = new(1, CPU);

    public void Dispose()
    {
        _generator.Dispose();
        _scope.Dispose();
    }

    [Fact]
    public void Combine_is_the_conditional_prediction_at_1_and_the_unconditional_at_0()
    {
        (Tensor conditional, Tensor unconditional) = Draw();

        TensorAssert.Close(conditional, ClassifierFreeGuidance.Combine(conditional, unconditional, 1), 1e-6);
        TensorAssert.Close(unconditional, ClassifierFreeGuidance.Combine(conditional, unconditional, 0), 1e-6);
    }

    [Fact]
    public void Combine_gives_each_image_its_conditional_spread_at_full_rescale()
    {
        (Tensor conditional, Tensor unconditional) = Draw();

        Tensor guided = ClassifierFreeGuidance.Combine(conditional, unconditional, 5, rescale: 1);

        TensorAssert.Close(conditional.flatten(1).std(1), guided.flatten(1).std(1), 1e-5);
    }

    [Fact]
    public void Combine_rescales_flat_predictions_to_numbers()
    {
        Tensor flat = zeros(2, 3, 4, 4);

        TensorAssert.Close(flat, ClassifierFreeGuidance.Combine(flat, flat, 5, rescale: 0.7), 0);
    }

    private (Tensor Conditional, Tensor Unconditional) Draw() => (randn([2, 3, 4, 4], generator: _generator), randn([2, 3, 4, 4], generator: _generator));
}
