// The training of an autoencoder: perceptual features first, where nobody brought any, then batch → losses → step. It ends by steps, by time, or because
// it was asked to; afterwards the weights are the averaged ones.
using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

/// <param name="picture">Pixels [3, H, W] in [−1, 1] of a picture by its number, in the caller's dispose scope.</param>
internal sealed class AutoencoderTraining(AutoencoderNetwork network, int pictureCount, Func<int, Tensor> picture, AutoencoderOptions options) : IDisposable
{
    private const double FeatureShare = 0.1;                // of the run, at most, for features of its own
    private const int FeatureSteps = 1000, FeatureWarmup = 20;
    private const int DiscriminatorChannels = 32;
    private const double RevivalEnd = 0.8;                  // share of the run after which codes stay
    private const int MeasuredPictures = 512;
    private static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(0.5);

    private readonly Generator _generator = new(StepSeed.Of(options.Seed, 0), CPU);
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    /// <summary>Trains the network in place.</summary>
    /// <param name="features">Perceptual features; null trains some on the pictures. They stay the caller's.</param>
    /// <returns>How the features came about, where they were trained.</returns>
    /// <exception cref="OperationCanceledException">It was asked to end before the first step.</exception>
    /// <exception cref="InvalidOperationException">Losses are no numbers any more.</exception>
    public string? Run(PerceptualNetwork? features)
    {
        string? description = null;
        PerceptualNetwork? own = null;
        if (features is null && options.PerceptualWeight > 0)
        {
            (own, double accuracy) = RotationTask.Train(Batches(), options.Optimizer with { LearningRate = 1e-3, WarmupSteps = FeatureWarmup }, options.Device, _generator, GoesOnWithFeatures);
            description = string.Create(CultureInfo.InvariantCulture, $"trained on the pictures themselves, told {accuracy:P0} of their turns");
        }
        using (own)
            Train(features ?? own);
        return description;
    }

    /// <summary>Standard deviation of the latents of some of the pictures.</summary>
    public double LatentDeviation()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return network.ToLatents(Measured()).std().AsDouble();
    }

    /// <summary>Share of the codes that some of the pictures use.</summary>
    public double CodebookUsage(VqAutoencoderNetwork vq)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor indices = vq.Quantize(vq.Encode(Measured())).Indices;
        return (double)indices.unique().output.shape[0] / vq.Codebook.shape[0];
    }

    public void Dispose() => _generator.Dispose();

    private void Train(PerceptualNetwork? features)
    {
        options.CancellationToken.ThrowIfCancellationRequested();
        using PerceptualNetwork? none = features is null ? PerceptualNetwork.Create([1], _generator) : null;
        using var discriminator = new PatchDiscriminator(DiscriminatorChannels, _generator);
        discriminator.to(options.Device);
        using var weights = new FlatParameters(network, ScalarType.Float32);
        using var discriminatorWeights = new FlatParameters(discriminator, ScalarType.Float32);
        using AdamW rule = new(weights, options.Optimizer), discriminatorRule = new(discriminatorWeights, options.Optimizer);
        using var average = new ExponentialMovingAverage(weights.Master, options.Optimizer.EmaDecay);
        using CodebookRevival? codebook = network is VqAutoencoderNetwork vq ? new CodebookRevival(vq.Codebook, _generator) : null;
        var losses = new AutoencoderLosses(network, features ?? none!, discriminator, options, codebook, _generator);
        var report = new ReportedLosses();
        TimeSpan reported = TimeSpan.Zero, began = _clock.Elapsed;
        int step = 0;
        foreach (Tensor batch in Batches())
        {
            double progress = Progress(step++, began);                  // the features' part of the run does not count for schedules
            bool isAdversarial = options.AdversarialWeight > 0 && progress >= options.AdversarialStart;
            report.Add(losses.Backward(batch, isAdversarial, revives: progress < RevivalEnd));
            double learningRate = WarmupCosineSchedule.LearningRate(options.Optimizer, step, progress);
            Move(weights, rule, learningRate);
            if (isAdversarial)
                Move(discriminatorWeights, discriminatorRule, learningRate);
            average.Update();
            bool isLast = Progress(step) >= 1 || options.CancellationToken.IsCancellationRequested;
            if (isLast || _clock.Elapsed - reported >= ReportInterval)
            {
                reported = _clock.Elapsed;
                options.Report(report.Take(step, Progress(step), codebook?.Usage, reported));
            }
            if (isLast)
                break;
        }
        weights.Release(network, options.Optimizer.EmaDecay > 0 ? average.Average : weights.Master);
    }

    private void Move(FlatParameters weights, AdamW rule, double learningRate)
    {
        weights.GatherGradient();
        double norm = GradientClipping.Clip(weights.Gradient, options.Optimizer.MaxGradientNorm);
        if (!double.IsFinite(norm))
            throw new InvalidOperationException("The gradient is not finite any more: training has diverged. Lower the learning rate.");
        rule.Step(learningRate);
    }

    private bool GoesOnWithFeatures(int step)
    {
        options.CancellationToken.ThrowIfCancellationRequested();
        return step < Math.Min(FeatureSteps, (options.Steps ?? int.MaxValue) * FeatureShare) && !(_clock.Elapsed >= options.Time * FeatureShare);
    }

    /// <summary>Share of the run, or of what is left of it at some time, that is done after so many steps.</summary>
    private double Progress(int step, TimeSpan began = default)
    {
        double bySteps = (double)step / (options.Steps ?? int.MaxValue), byTime = options.Time is { } time ? (_clock.Elapsed - began) / (time - began) : 0;
        return Math.Min(1, Math.Max(bySteps, byTime));
    }

    /// <summary>Batches [N, 3, H, W] without end, each of pictures that are drawn anew; one lives until the next is asked for.</summary>
    private IEnumerable<Tensor> Batches()
    {
        while (true)
        {
            using var scope = NewDisposeScope();
            Tensor numbers = randint(pictureCount, [options.Optimizer.BatchSize], ScalarType.Int64, generator: _generator);
            Tensor batch = stack([.. numbers.data<long>().Select(number => picture((int)number))]);
            if (options.HorizontalFlip)
            {
                Tensor mirrors = randint(2, [options.Optimizer.BatchSize, 1, 1, 1], ScalarType.Bool, generator: _generator);
                batch = where(mirrors, batch.flip(3), batch);
            }
            yield return batch.to(options.Device);
        }
    }

    private Tensor Measured() => stack([.. Enumerable.Range(0, Math.Min(MeasuredPictures, pictureCount)).Select(at => picture((int)((long)at * pictureCount / Math.Min(MeasuredPictures, pictureCount))))])
        .to(options.Device);
}
