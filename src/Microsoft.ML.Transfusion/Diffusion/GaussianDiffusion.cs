// The forward process q(x_t | x_0) of DDPM (Ho et al. 2020, eq. 4), what the network is asked to predict of it, and the loss of that.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

internal sealed class GaussianDiffusion : IDisposable
{
    private const double MinimumSpread = 0.15;              // floors √(1 − ᾱ) and √ᾱ in the loss weight: the ends of the process would outweigh the rest
    private readonly Tensor _signal;                        // √ᾱ, [T]
    private readonly Tensor _spread;                        // √(1 − ᾱ), [T]
    private readonly Tensor _lossWeight;                    // [T]
    private readonly PredictionType _prediction;

    public GaussianDiffusion(DiffusionConfig config, Device device)
    {
        using var scope = NewDisposeScope();
        Schedule = new NoiseSchedule(config.Schedule, config.NumberOfTrainTimesteps);
        _prediction = config.Prediction;
        Tensor alphasCumprod = tensor(Schedule.AlphasCumprod);
        Tensor ToTable(Tensor values) => values.to(ScalarType.Float32).to(device).DetachFromDisposeScope();
        _signal = ToTable(alphasCumprod.sqrt());
        _spread = ToTable((1 - alphasCumprod).sqrt());
        PredictionType target = config.LossTarget ?? config.Prediction;
        _lossWeight = ToTable((ErrorPerSample(target, alphasCumprod) / ErrorPerSample(config.Prediction, alphasCumprod)).square());
    }

    public NoiseSchedule Schedule { get; }

    /// <summary>Mixes noise into clean images [N, ..]: x_t = √ᾱ_t · x_0 + √(1 − ᾱ_t) · ε, timesteps [N].</summary>
    public Tensor AddNoise(Tensor sample, Tensor noise, Tensor timesteps)
    {
        using var scope = NewDisposeScope();
        return (At(_signal, timesteps, sample) * sample + At(_spread, timesteps, sample) * noise).MoveToOuterDisposeScope();
    }

    /// <summary>What the network should answer for these images, noises and timesteps.</summary>
    public Tensor Target(Tensor sample, Tensor noise, Tensor timesteps)
    {
        using var scope = NewDisposeScope();
        Tensor target = _prediction switch
        {
            PredictionType.Epsilon => noise.alias(),
            PredictionType.Velocity => At(_signal, timesteps, sample) * noise - At(_spread, timesteps, sample) * sample,
            _ => sample.alias(),
        };
        return target.MoveToOuterDisposeScope();
    }

    /// <summary>Squared error in the quantity that <see cref="DiffusionConfig.LossTarget"/> names: the mean of each image, [N].</summary>
    public Tensor Loss(Tensor prediction, Tensor target, Tensor timesteps)
    {
        using var scope = NewDisposeScope();
        Tensor error = (prediction - target).square().flatten(1).mean([1]);                  // [N]
        return (error * _lossWeight.index_select(0, timesteps)).MoveToOuterDisposeScope();
    }

    /// <summary>The clean image and the noise that a prediction at one timestep implies.</summary>
    public (Tensor Sample, Tensor Noise) Interpret(Tensor prediction, Tensor noisySample, int timestep)
    {
        using var scope = NewDisposeScope();
        double signal = Math.Sqrt(Schedule.AlphasCumprod[timestep]), spread = Math.Sqrt(1 - Schedule.AlphasCumprod[timestep]);
        (Tensor sample, Tensor noise) = _prediction switch
        {
            PredictionType.Epsilon => ((noisySample - spread * prediction) / signal, prediction.alias()),
            PredictionType.Velocity => (signal * noisySample - spread * prediction, signal * prediction + spread * noisySample),
            _ => (prediction.alias(), (noisySample - signal * prediction) / spread),
        };
        return (sample.MoveToOuterDisposeScope(), noise.MoveToOuterDisposeScope());
    }

    public void Dispose()
    {
        _signal.Dispose();
        _spread.Dispose();
        _lossWeight.Dispose();
    }

    /// <summary>How far a quantity moves when x₀ moves by one and x_t stays.</summary>
    private static Tensor ErrorPerSample(PredictionType quantity, Tensor alphasCumprod)
    {
        Tensor signal = alphasCumprod.sqrt().clamp_min(MinimumSpread), spread = (1 - alphasCumprod).sqrt().clamp_min(MinimumSpread);
        return quantity switch
        {
            PredictionType.Epsilon => signal / spread,
            PredictionType.Velocity => 1 / spread,
            _ => ones_like(alphasCumprod),
        };
    }

    private static Tensor At(Tensor table, Tensor timesteps, Tensor like) =>
        table.index_select(0, timesteps).view([-1, .. Enumerable.Repeat(1L, (int)like.dim() - 1)]);
}
