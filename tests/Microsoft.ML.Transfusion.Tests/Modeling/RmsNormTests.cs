using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

public sealed class RmsNormTests : IDisposable
{
    private const double Epsilon = 1e-5;
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Generator _generator = new(1, CPU);

    public void Dispose()
    {
        _generator.Dispose();
        _scope.Dispose();
    }

    [Theory]
    [InlineData(ScalarType.Float32, 2e-6)]
    [InlineData(ScalarType.BFloat16, 0.04)]                   // a step of bfloat16 near 4 is 1/32
    public void Forward_and_both_gradients_are_those_of_the_plain_formula(ScalarType dtype, double tolerance)
    {
        using var norm = new RmsNorm(16, Epsilon);
        using (no_grad())
            norm.get_parameter("weight")!.normal_(1, 0.3, _generator);
        norm.to(dtype);
        Tensor values = randn([3, 5, 16], generator: _generator).mul(2).to(dtype), upstream = randn([3, 5, 16], generator: _generator).to(dtype);
        Tensor input = values.clone().requires_grad_(), weight = norm.get_parameter("weight")!;
        Tensor wideInput = values.to(ScalarType.Float64).detach().requires_grad_(), wideWeight = weight.detach().to(ScalarType.Float64).requires_grad_();

        Tensor output = norm.forward(input), expected = wideInput * (wideInput.square().mean([-1], keepdim: true) + Epsilon).rsqrt() * wideWeight;
        output.backward([upstream]);
        expected.backward([upstream.to(ScalarType.Float64)]);

        Assert.Equal(dtype, output.dtype);
        TensorAssert.Close(expected, output, tolerance, "output");
        TensorAssert.Close(wideInput.grad!, input.grad!, tolerance, "input gradient");
        TensorAssert.Close(wideWeight.grad!, weight.grad!, 10 * tolerance, "weight gradient, a sum of fifteen");
    }

    [Fact]
    public void Operator_that_GPUs_use_gives_the_same_numbers_and_leaves_nothing_behind()
    {
        using var norm = new RmsNorm(16, Epsilon);
        Parameter weight = norm.get_parameter("weight")!;
        using (no_grad())
            weight.normal_(1, 0.3, _generator);
        Tensor values = randn([3, 5, 16], generator: _generator), input = values.clone().requires_grad_(), again = values.clone().requires_grad_();
        norm.forward(input).square().sum().backward();
        Tensor ofWeight = weight.grad!.clone();
        weight.grad!.zero_();

        FusedRmsNorm.Apply(again, weight, Epsilon).square().sum().backward();

        TensorAssert.Close(input.grad!, again.grad!, 1e-5, "input gradient");
        TensorAssert.Close(ofWeight, weight.grad!, 1e-5, "weight gradient");
        LeakCheck.Holds(() =>
        {
            using var scope = NewDisposeScope();
            FusedRmsNorm.Apply(again, weight, Epsilon).sum().backward();
        }, times: 20);
    }

    [Fact]
    public void Backward_gives_a_frozen_weight_no_gradient_and_the_input_the_same_one()
    {
        using var norm = new RmsNorm(16, Epsilon);
        Tensor values = randn([3, 16], generator: _generator), input = values.clone().requires_grad_(), again = values.clone().requires_grad_();
        norm.forward(input).square().sum().backward();
        Assert.NotNull(norm.get_parameter("weight")!.grad);
        norm.get_parameter("weight")!.grad = null;
        norm.get_parameter("weight")!.requires_grad = false;
        norm.forward(again).square().sum().backward();

        TensorAssert.Close(input.grad!, again.grad!, 0);
        Assert.Null(norm.get_parameter("weight")!.grad);
        Assert.False(norm.forward(values).requires_grad);
    }

    [Fact]
    public void Forward_and_backward_leave_nothing_behind_but_the_gradients()
    {
        using var norm = new RmsNorm(16, Epsilon);
        Tensor input = randn([3, 16], generator: _generator).requires_grad_();
        void Step()
        {
            using var scope = NewDisposeScope();
            norm.forward(input).sum().backward();
        }
        Step();

        LeakCheck.Holds(Step, times: 20);
    }
}
