// Flow matching on straight paths (Lipman et al. 2023; Liu et al. 2022): x_σ = (1 − σ) · x_0 + σ · ε, whose velocity dx/dσ = ε − x_0 the network
// learns. σ = t / T is any number in [0, 1].
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

internal sealed class FlowMatching(DiffusionConfig config, Device? device = null) : DiffusionProcess
{
    private readonly int _total = config.NumberOfTrainTimesteps;

    public override int NumberOfTimesteps => _total;

    public override Device Device => device ?? CPU;

    public override Tensor AddNoise(Tensor sample, Tensor noise, Tensor timesteps)
    {
        using var scope = NewDisposeScope();
        Tensor sigma = timesteps.to(ScalarType.Float32).DividedBy(_total).view([-1, .. Enumerable.Repeat(1L, (int)sample.dim() - 1)]);
        return ((-sigma).Plus(1) * sample).Plus(sigma * noise).MoveToOuterDisposeScope();
    }

    public override Tensor Target(Tensor sample, Tensor noise, Tensor timesteps) => noise - sample;

    public override Tensor Loss(Tensor prediction, Tensor target, Tensor timesteps)
    {
        using var scope = NewDisposeScope();
        return (prediction - target).Squared().flatten(1).mean([1]).MoveToOuterDisposeScope();
    }

    public override Tensor Timesteps(double timestep, int count) => Arithmetic.Full([count], timestep, ScalarType.Float32, Device);

    /// <summary>x₀ = x_σ − σ · v.</summary>
    public override Tensor PredictSample(Tensor prediction, Tensor noisySample, double timestep) => noisySample.Plus(prediction, factor: -timestep / _total);

    public override DiffusionSampler CreateSampler(GenerationOptions options, double sampleBound = ImageBound)
    {
        options.RequireFit(config);
        return new EulerSampler(EulerSampler.Sigmas(_total, options.NumberOfInferenceSteps, options.Spacing, options.Shift), _total, sampleBound);
    }
}
