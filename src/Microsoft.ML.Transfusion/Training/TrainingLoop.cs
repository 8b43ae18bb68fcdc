// The training loop: batch → loss → backward → clip → AdamW → average → progress. It ends by steps, by time, or because it was asked to.
using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

internal sealed class TrainingLoop(TransfusionNetwork network, TransfusionConfig config, SpecialTokens special, TrainingOptions options)
{
    private static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(0.5);

    /// <summary>Trains the network in place; afterwards its weights are 32-bit and, where averaging is on, the averaged ones.</summary>
    public void Run(IReadOnlyList<Document> documents, IReadOnlyList<Document> validation)
    {
        var random = new Random(options.Seed);
        using var generator = new Generator((ulong)options.Seed, CPU);
        var batches = new BatchGrouping(documents, config.Diffusion, options.Optimizer.BatchSize, random);
        using var parameters = new FlatParameters(network, Precision.Resolve(options.Precision, options.Device), options.IsFrozen);
        using Muon? muon = options.Optimizer.Type == OptimizerType.Muon ? new Muon(parameters, options.Optimizer) : null;
        using var adam = new AdamW(parameters, options.Optimizer, start: muon is null ? 0 : parameters.BlockMatrixCount);
        using var average = new ExponentialMovingAverage(parameters.Master, options.Optimizer.EmaDecay);
        using var diffusion = DiffusionProcess.Create(config.Diffusion, options.Device);
        var meter = new ProgressMeter();
        network.train();

        int step = 0;
        double warmedUp = 0;                                // the share of the run that the warm-up took
        foreach (IReadOnlyList<ArrangedDocument> rows in batches.Batches())
        {
            if (options.CancellationToken.IsCancellationRequested)
                break;
            double coming = Fraction(step + 1, meter.Elapsed);
            warmedUp = step < options.Optimizer.WarmupSteps ? coming : warmedUp;
            double learningRate = WarmupCosineSchedule.LearningRate(options.Optimizer, step + 1, warmedUp < 1 ? (coming - warmedUp) / (1 - warmedUp) : 0);
            using var scope = NewDisposeScope();
            using SequenceBatch batch = SequenceBatch.Create(rows, special, config.Image.PatchCount);
            if (options.HorizontalFlip)
                batch.FlipRows([.. rows.Select(_ => random.Next(2) == 0)]);
            parameters.ZeroGradient();
            NoiseDraw? draw = batch.Images is null ? null : NoiseDraw.Random(batch, config.Diffusion, generator);
            LossParts loss = TransfusionLoss.Compute(network, diffusion, batch, config.Image, draw);
            Tensor total = loss.Total(config.Diffusion.DiffusionLossWeight);
            if (total.requires_grad)                        // else: a batch of text alone, and the text path is frozen
            {
                total.backward();
                parameters.GatherGradient();
                GradientClipping.Clip(parameters.Gradient, options.Optimizer.MaxGradientNorm);
                muon?.Step(learningRate);
                adam.Step(learningRate);
                parameters.ScatterMaster();
                average.Update();
            }
            step++;
            meter.Add(loss.LanguageLoss?.mean().ToDouble(), loss.DiffusionLoss?.mean().ToDouble(), batch.Positions, rows.Count);
            double fraction = Fraction(step, meter.Elapsed);
            Report(meter, step, fraction, learningRate, validation, diffusion);
            if (fraction >= 1)
                break;
        }
        parameters.Release(network, options.Optimizer.EmaDecay > 0 ? average.Average : parameters.Master);
        network.eval();
    }

    private double Fraction(int step, TimeSpan elapsed) => Math.Min(1, Math.Max(
        options.NumberOfSteps is { } steps ? (double)step / steps : 0,
        options.MaxTrainingTime is { } limit ? elapsed / limit : 0));

    private void Report(ProgressMeter meter, int step, double fraction, double learningRate, IReadOnlyList<Document> validation, DiffusionProcess diffusion)
    {
        bool last = fraction >= 1, validates = validation.Count > 0 && (last || step % options.ValidationInterval == 0);
        if (options.Progress is null || !(last || validates || meter.SinceReport >= ReportInterval))
            return;
        TrainingProgress progress = meter.Report(fraction, learningRate);
        if (validates)
        {
            (double language, double noise) = Validation.Evaluate(network, diffusion, config, special, validation, options.Optimizer.BatchSize);
            progress = progress with { ValidationLanguageLoss = language, ValidationDiffusionLoss = noise };
        }
        options.Progress.Report(progress);
    }
}
