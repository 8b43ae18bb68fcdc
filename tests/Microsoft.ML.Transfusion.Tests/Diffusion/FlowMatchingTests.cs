using Microsoft.ML.Transfusion.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Diffusion;

public sealed class FlowMatchingTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Generator _generator = new(1, CPU);
    private readonly FlowMatching _flow = new(DiffusionConfig.Flow);

    public void Dispose()
    {
        _flow.Dispose();
        _generator.Dispose();
        _scope.Dispose();
    }

    [Fact]
    public void AddNoise_is_the_image_at_0_and_the_noise_at_T()
    {
        (Tensor sample, Tensor noise) = Draw(2);

        Tensor noisy = _flow.AddNoise(sample, noise, tensor(new[] { 0f, 1000 }));

        TensorAssert.Close(sample[0], noisy[0], 0);
        TensorAssert.Close(noise[1], noisy[1], 0);
        TensorAssert.Close(noisy, _flow.AddNoise(sample, noise, tensor(new long[] { 0, 1000 })), 0, "whole numbers");
    }

    [Fact]
    public void Target_is_the_change_of_the_noisy_image_with_the_noise_level()
    {
        (Tensor sample, Tensor noise) = Draw(1);
        Tensor low = tensor(new[] { 300f }), high = tensor(new[] { 310f });

        Tensor change = (_flow.AddNoise(sample, noise, high) - _flow.AddNoise(sample, noise, low)) / 0.01;

        TensorAssert.Close(change, _flow.Target(sample, noise, low), 1e-4);
    }

    [Fact]
    public void Loss_is_the_mean_squared_error_of_each_image()
    {
        (Tensor guess, Tensor target) = Draw(3);

        TensorAssert.Close((guess - target).square().mean([1, 2, 3]), _flow.Loss(guess, target, tensor(new[] { 1f, 500.5f, 999 })), 1e-6);
    }

    private (Tensor Sample, Tensor Noise) Draw(int count) =>
        (rand([count, 3, 4, 4], generator: _generator) * 2 - 1, randn([count, 3, 4, 4], generator: _generator));
}
