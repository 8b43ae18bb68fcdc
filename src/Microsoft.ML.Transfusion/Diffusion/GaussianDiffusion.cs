// The forward process q(x_t | x_0) of DDPM (Ho et al. 2020, eq. 4), what the network is asked to predict of it, and the loss of that.
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

internal sealed class GaussianDiffusion : DiffusionProcess
{
    private const double MinimumSpread = 0.15;              // floors √(1 − ᾱ) and √ᾱ in the loss weight: the ends of the process would outweigh the rest
    private readonly Tensor _signal;                        // √ᾱ, [T]
    private readonly Tensor _spread;                        // √(1 − ᾱ), [T]
    private readonly Tensor _lossWeight;                    // [T]
    private readonly DiffusionConfig _config;

    /// <param name="precision">Of the schedule's tables; see <see cref="NoiseSchedule"/>.</param>
    public GaussianDiffusion(DiffusionConfig config, Device device, ScalarType precision = ScalarType.Float64)
    {
        using var scope = NewDisposeScope();
        Schedule = new NoiseSchedule(config, precision);
        _config = config;
        Tensor alphasCumprod = tensor(Schedule.AlphasCumprod);
        Tensor ToTable(Tensor values) => values.to(ScalarType.Float32).to(device).DetachFromDisposeScope();
        _signal = ToTable(alphasCumprod.sqrt());
        _spread = ToTable((-alphasCumprod).Plus(1).sqrt());
        PredictionType target = config.LossTarget ?? config.Prediction;
        _lossWeight = ToTable((ErrorPerSample(target, alphasCumprod) / ErrorPerSample(config.Prediction, alphasCumprod)).Squared());
    }

    public NoiseSchedule Schedule { get; }

    public override int NumberOfTimesteps => Schedule.NumberOfTimesteps;

    public override Device Device => _signal.device;

    /// <summary>x_t = √ᾱ_t · x_0 + √(1 − ᾱ_t) · ε.</summary>
    public override Tensor AddNoise(Tensor sample, Tensor noise, Tensor timesteps)
    {
        using var scope = NewDisposeScope();
        return (At(_signal, timesteps, sample) * sample).Plus(At(_spread, timesteps, sample) * noise).MoveToOuterDisposeScope();
    }

    public override Tensor Target(Tensor sample, Tensor noise, Tensor timesteps)
    {
        using var scope = NewDisposeScope();
        Tensor target = _config.Prediction switch
        {
            PredictionType.Epsilon => noise.alias(),
            PredictionType.Velocity => At(_signal, timesteps, sample) * noise - At(_spread, timesteps, sample) * sample,
            _ => sample.alias(),
        };
        return target.MoveToOuterDisposeScope();
    }

    /// <summary>Squared error in the quantity that <see cref="DiffusionConfig.LossTarget"/> names: the mean of each image, [N].</summary>
    public override Tensor Loss(Tensor prediction, Tensor target, Tensor timesteps)
    {
        using var scope = NewDisposeScope();
        Tensor error = (prediction - target).Squared().flatten(1).mean([1]);                  // [N]
        return (error * _lossWeight.index_select(0, timesteps)).MoveToOuterDisposeScope();
    }

    /// <summary>The clean image and the noise that a prediction at one noise level implies.</summary>
    /// <param name="sampleBound">Where the image is clipped; the noise is then what is left of the noisy image. ∞ leaves both.</param>
    public (Tensor Sample, Tensor Noise) Interpret(Tensor prediction, Tensor noisySample, NoiseLevel level, double sampleBound = double.PositiveInfinity)
    {
        using var scope = NewDisposeScope();
        (double signal, double spread) = level;
        (Tensor sample, Tensor noise) = _config.Prediction switch
        {
            PredictionType.Epsilon => ((noisySample - prediction.Times(spread)).DividedBy(signal), prediction.alias()),
            PredictionType.Velocity => (noisySample.Times(signal) - prediction.Times(spread), prediction.Times(signal).Plus(noisySample.Times(spread))),
            _ => (prediction.alias(), (noisySample - prediction.Times(signal)).DividedBy(spread)),
        };
        if (double.IsFinite(sampleBound))
        {
            sample = sample.Clamp(-sampleBound, sampleBound);
            noise = (noisySample - sample.Times(signal)).DividedBy(spread);
        }
        return (sample.MoveToOuterDisposeScope(), noise.MoveToOuterDisposeScope());
    }

    public override Tensor Timesteps(double timestep, int count) => Arithmetic.Full([count], Whole(timestep), ScalarType.Int64, Device);

    public override Tensor PredictSample(Tensor prediction, Tensor noisySample, double timestep)
    {
        using var scope = NewDisposeScope();
        return Interpret(prediction, noisySample, Schedule.LevelAt((int)Whole(timestep))).Sample.MoveToOuterDisposeScope();
    }

    public override DiffusionSampler CreateSampler(GenerationOptions options, double sampleBound = ImageBound)
    {
        DiffusionSamplerType type = options.RequireFit(_config);
        if (type == DiffusionSamplerType.DpmSolver)
            return new DpmSolverSampler(this, options.NumberOfInferenceSteps, options.Spacing, options.TimestepOffset, options.DpmSolver, sampleBound);
        ReverseStep[] walk = InferenceTimesteps.Walk(InferenceTimesteps.Space(Schedule.NumberOfTimesteps, options.NumberOfInferenceSteps, options.Spacing, options.TimestepOffset));
        return type == DiffusionSamplerType.Ddpm
            ? new DdpmSampler(this, walk, options.Variance, sampleBound)
            : new DdimSampler(this, walk, options.Eta, sampleBound);
    }

    public override void Dispose()
    {
        _signal.Dispose();
        _spread.Dispose();
        _lossWeight.Dispose();
        base.Dispose();
    }

    /// <summary>Samplers may visit places between timesteps.</summary>
    private double Whole(double timestep) => Math.Clamp(Math.Round(timestep), 0, NumberOfTimesteps - 1);

    /// <summary>How far a quantity moves when x₀ moves by one and x_t stays.</summary>
    private static Tensor ErrorPerSample(PredictionType quantity, Tensor alphasCumprod)
    {
        Tensor signal = alphasCumprod.sqrt().ClampMin(MinimumSpread), spread = (-alphasCumprod).Plus(1).sqrt().ClampMin(MinimumSpread);
        return quantity switch
        {
            PredictionType.Epsilon => signal / spread,
            PredictionType.Velocity => spread.reciprocal(),
            _ => ones_like(alphasCumprod),
        };
    }

    private static Tensor At(Tensor table, Tensor timesteps, Tensor like) =>
        table.index_select(0, timesteps).view([-1, .. Enumerable.Repeat(1L, (int)like.dim() - 1)]);
}
