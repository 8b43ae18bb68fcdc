// Trains one candidate after the other on documents that were read once, scores each, and keeps the best model.
using System.Diagnostics;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Data;
using Microsoft.ML.Transfusion.Evaluation;
using Microsoft.ML.Transfusion.Sequences;

namespace Microsoft.ML.Transfusion.Experiments;

internal sealed class CandidateRunner(IHostEnvironment environment, IChannel channel, TrainingDocuments data, ExperimentBudget budget, int seed,
    IEstimator<ITransformer>? preFeaturizer, IProgress<TransfusionRunDetail>? progress, CancellationToken cancellation) : IDisposable
{
    private const int ScoredAtMost = 256;                   // of the held-out documents
    private const int ScoringBatchSize = 32;
    private const double ScoringShare = 0.005;              // of the whole time, for one score
    private int _runs;
    private IReadOnlyList<Document>? _scored;               // the same for all runs

    /// <summary>The model of the best run so far; null where there is none.</summary>
    public TransfusionTransformer? BestModel { get; private set; }

    public TransfusionRunDetail? BestRun { get; private set; }

    public RunOutcome Run(GenerationCandidate candidate, RunPlan plan)
    {
        Stopwatch clock = Stopwatch.StartNew();
        TransfusionTrainer.Options options = candidate.Options with
        {
            NumberOfSteps = plan.Limit.Steps,
            MaxTrainingTime = plan.Limit.Time,
            Seed = seed,
            TensorBoardFolder = candidate.Options.TensorBoardFolder is { } folder ? Path.Combine(folder, $"run{++_runs:D2}") : null,
        };
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var config = new TransfusionConfig { Transformer = options.Transformer, Diffusion = options.Diffusion, Image = options.Image };
        using RunWatch watch = new(plan, options.Optimizer.EmaDecay > 0, stop.Cancel,
            state => Score(documents => ValidationScorer.Evaluate(state.Network, config, data.Tokenizer.SpecialTokens, documents, ScoringBatchSize)).Score);
        TimeSpan? trained = null;
        TransfusionTransformer? transformer = null;
        TransfusionValidationMetrics? metrics = null;
        Exception? failure = null;
        try
        {
            var trainer = new TransfusionTrainer(environment, options with { CancellationToken = stop.Token });
            transformer = trainer.ToTransformer(trainer.Train(data, channel, trainer.OpenBoard(), validates: false, watch.AfterStep), data);
            trained = clock.Elapsed;
            TransfusionModel model = transformer.Model;
            metrics = Score(documents => model.Validate(documents, ScoringBatchSize));
        }
        catch (Exception exception) when (exception is not OperationCanceledException || cancellation.IsCancellationRequested)
        {
            failure = exception;                            // it is the run's; the others go on
        }
        budget.Spend(watch.Steps, afterRun: clock.Elapsed - (trained ?? clock.Elapsed));
        TransfusionRunDetail detail = new()
        {
            TrainerName = candidate.Name,
            Options = options,
            Estimator = EstimatorOf(options),
            ValidationMetrics = metrics,
            Steps = watch.Steps,
            RuntimeInSeconds = clock.Elapsed.TotalSeconds,
            StoppedEarly = watch.Stopped,
            Exception = failure,
        };
        Keep(detail, transformer);
        Tell(detail);
        return new RunOutcome(detail, watch.HalfwayScore);
    }

    public void Dispose() => BestModel?.Dispose();

    /// <summary>Scores on as many documents as the time allows; the first score decides how many.</summary>
    private TransfusionValidationMetrics Score(Func<IReadOnlyList<Document>, TransfusionValidationMetrics> evaluate)
    {
        if (_scored is null)
        {
            Stopwatch clock = Stopwatch.StartNew();
            evaluate([.. data.Validation.Take(ScoringBatchSize)]);
            double batches = budget.Time is { } time ? ScoringShare * time / clock.Elapsed : ScoredAtMost;
            _scored = [.. data.Validation.Take(Math.Clamp((int)batches * ScoringBatchSize, ScoringBatchSize, ScoredAtMost))];
        }
        return evaluate(_scored);
    }

    private void Keep(TransfusionRunDetail detail, TransfusionTransformer? transformer)
    {
        if (!(detail.ValidationMetrics?.Score < (BestRun?.ValidationMetrics?.Score ?? double.PositiveInfinity)))
        {
            transformer?.Dispose();
            return;
        }
        BestModel?.Dispose();
        (BestRun, BestModel) = (detail, transformer);
    }

    private IEstimator<ITransformer> EstimatorOf(TransfusionTrainer.Options options)
    {
        var trainer = new TransfusionTrainer(environment, options);
        return preFeaturizer is null ? trainer : preFeaturizer.Append(trainer);
    }

    private void Tell(TransfusionRunDetail detail)
    {
        string outcome = detail.Exception is { } exception ? $"failed: {exception.Message}"
            : $"score {detail.ValidationMetrics!.Score:F4} (language loss {detail.ValidationMetrics.LanguageLoss:F3}, picture error {detail.ValidationMetrics.PictureError:F4})";
        channel.Info(MessageSensitivity.None, "{0}: {1} steps in {2:F1} s{3}, {4}.", detail.TrainerName, detail.Steps, detail.RuntimeInSeconds,
            detail.StoppedEarly ? ", stopped early" : "", outcome);
        progress?.Report(detail);
    }
}
