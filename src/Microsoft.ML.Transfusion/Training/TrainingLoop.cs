// The training loop: batch → step → progress. It ends by steps, by time, or because it was asked to.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;

namespace Microsoft.ML.Transfusion.Training;

internal sealed class TrainingLoop(TransfusionNetwork network, TransfusionConfig config, SpecialTokens special, TrainingOptions options)
{
    private const int SkipsInARow = 20;                     // so many steps without a finite gradient are no accident
    private static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(0.5);

    /// <summary>Trains the network in place; afterwards its weights are 32-bit and, where averaging is on, the averaged ones.</summary>
    /// <exception cref="InvalidOperationException">Losses or gradients stay not finite.</exception>
    public void Run(IReadOnlyList<Document> documents, IReadOnlyList<Document> validation)
    {
        using var state = new TrainingState(network, options);
        using var step = new TrainingStep(state, config, options);
        options.Begin?.Invoke(state);                       // a run that is taken up again is restored here
        var meter = new ProgressMeter(state, documents.Count);
        network.train();
        try
        {
            Steps(state, step, meter, documents, validation);
        }
        catch (OperationCanceledException)                  // a report's listener ends the run; the step before it is whole
        {
            options.End?.Invoke(state);
            throw;
        }
        options.End?.Invoke(state);
        options.Summarize?.Invoke(meter.Totals());
        state.Parameters.Release(network, options.Optimizer.EmaDecay > 0 ? state.Average.Average : state.Parameters.Master);
        network.eval();
    }

    private void Steps(TrainingState state, TrainingStep step, ProgressMeter meter, IReadOnlyList<Document> documents, IReadOnlyList<Document> validation)
    {
        using var data = new BatchPrefetch(Batches(documents, state.Data, state.Step));
        while (!options.CancellationToken.IsCancellationRequested && Fraction(state.Step, state.Elapsed) < 1)
        {
            TrainingBatch batch = data.Next();
            double learningRate = NextLearningRate(state);
            StepResult result = step.Run(batch, learningRate);
            state.Step++;
            state.Data = batch.Next;
            state.Documents += batch.Sequences.Rows;
            state.Elapsed = meter.Elapsed;
            state.SkipsInARow = result.IsFinite ? 0 : state.SkipsInARow + 1;
            state.SkippedSteps += result.IsFinite ? 0 : 1;
            if (state.SkipsInARow >= SkipsInARow)
                throw new InvalidOperationException($"The loss or its gradient was not finite in {SkipsInARow} steps in a row, up to step {state.Step}. "
                    + $"Lower Optimizer.LearningRate ({options.Optimizer.LearningRate}) or Optimizer.MaxGradientNorm ({options.Optimizer.MaxGradientNorm}), or train in Float32.");
            meter.Add(result, batch.Sequences.Positions, data.Waited);
            Report(meter, state, step, learningRate, validation);
            options.AfterStep?.Invoke(state);
        }
    }

    private IEnumerable<TrainingBatch> Batches(IReadOnlyList<Document> documents, DataPosition from, int step) =>
        new BatchGrouping(documents, config.Diffusion, options.Optimizer.BatchSize, options.Seed).Batches(from)
            .Select((group, count) => TrainingBatch.Create(group, config, special, options, step + count));

    private double NextLearningRate(TrainingState state)
    {
        double coming = Fraction(state.Step + 1, state.Elapsed);
        if (state.Step < options.Optimizer.WarmupSteps)
            state.WarmedUp = (state.Step + 1, state.Elapsed);
        double warmedUp = Fraction(state.WarmedUp.Step, state.WarmedUp.Elapsed);
        double sinceWarmup = warmedUp < 1 ? (coming - warmedUp) / (1 - warmedUp) : 0;
        return WarmupCosineSchedule.LearningRate(options.Optimizer, state.Step + 1, sinceWarmup);
    }

    private double Fraction(int step, TimeSpan elapsed) => Math.Min(1, Math.Max(
        options.NumberOfSteps is { } steps ? (double)step / steps : 0,
        options.MaxTrainingTime is { } limit ? elapsed / limit : 0));

    private void Report(ProgressMeter meter, TrainingState state, TrainingStep step, double learningRate, IReadOnlyList<Document> validation)
    {
        double fraction = Fraction(state.Step, state.Elapsed);
        bool last = fraction >= 1, validates = validation.Count > 0 && (last || state.Step % options.ValidationInterval == 0);
        bool samples = options.SampleInterval is { } interval && (last || state.Step % interval == 0);
        if (options.Progress is null || !(last || validates || samples || meter.SinceReport >= ReportInterval))
            return;
        TrainingProgress progress = meter.Report(fraction, learningRate);
        if (validates || samples)
            progress = Examine(progress, state, step, validates ? validation : []);
        options.Progress.Report(progress);
        meter.Resume();
    }

    /// <summary>Looks at what the finished model would be: the averaged weights. Training goes on as if nothing had happened.</summary>
    private TrainingProgress Examine(TrainingProgress progress, TrainingState state, TrainingStep step, IReadOnlyList<Document> validation)
    {
        using IDisposable? averaged = options.Optimizer.EmaDecay > 0 ? state.UseAverage() : null;
        network.eval();
        if (validation.Count > 0)
        {
            (double language, double noise) = Validation.Evaluate(network, step.Diffusion, config, special, validation, options.Optimizer.BatchSize);
            progress = progress with { ValidationLanguageLoss = language, ValidationDiffusionLoss = noise };
        }
        progress = options.Preview?.Invoke(progress) ?? progress;
        network.train();
        return progress;
    }
}
