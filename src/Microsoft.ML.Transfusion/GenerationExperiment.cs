// Fitting from a time budget alone, in the shape of AutoML's experiments. docs/experiment.md is the guide; Experiments/ExperimentSearch spends the time.
using System.Diagnostics;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Data;
using Microsoft.ML.Transfusion.Experiments;
using Microsoft.ML.Transfusion.Interop;

namespace Microsoft.ML.Transfusion;

/// <summary>Tries recipes on data within a time budget and keeps the best model.</summary>
public sealed class GenerationExperiment
{
    private readonly MLContext _context;
    private readonly IHost _host;
    private readonly GenerationExperimentSettings _settings;
    private readonly IReadOnlyList<GenerationCandidate> _candidates;

    /// <exception cref="ArgumentException">A setting is out of its range, or a candidate does not fit the others.</exception>
    internal GenerationExperiment(MLContext context, GenerationExperimentSettings settings)
    {
        _context = context;
        _host = ((IHostEnvironment)context).Register(nameof(GenerationExperiment));
        _settings = settings;
        var check = new OptionChecks(_host);
        check.That(settings.MaxExperimentTime > TimeSpan.Zero, nameof(settings.MaxExperimentTime), settings.MaxExperimentTime, "above zero");
        check.That(settings.MaxModels is not < 1, nameof(settings.MaxModels), settings.MaxModels, "at least 1, or null");
        check.That(settings.ValidationFraction is > 0 and < 1, nameof(settings.ValidationFraction), settings.ValidationFraction, "in (0, 1)");
        check.NotNull(settings.Options, nameof(settings.Options));
        check.That(settings.Candidates is not { Count: 0 }, nameof(settings.Candidates), "empty", "a list with something to try, or null");
        CandidateChecks.Require(context, _host, new GenerationCandidate("Options", settings.Options), settings.Options);
        foreach (GenerationCandidate candidate in settings.Candidates ?? [])
            CandidateChecks.Require(context, _host, candidate, settings.Options);
        _candidates = settings.Candidates ?? GenerationCandidate.Presets(settings.Options);
    }

    /// <summary>Reads the data once, tries candidates on it and returns the best model, and what was tried.</summary>
    /// <param name="trainData">Rows with the columns of <see cref="GenerationExperimentSettings.Options"/>, or what <paramref name="preFeaturizer"/> makes them from.</param>
    /// <param name="validationData">Rows that runs are compared on, up to the first 256. Null holds out <see cref="GenerationExperimentSettings.ValidationFraction"/> of the training data by <c>TrainTestSplit</c> with the seed.</param>
    /// <param name="preFeaturizer">What comes before the trainer, such as <c>Transforms.LoadImages</c>; it becomes a part of the model. Null for nothing.</param>
    /// <param name="progressHandler">Told about every run when it has ended, on the calling thread.</param>
    /// <returns>The best run with its model, and all runs.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or neither text nor image.</exception>
    /// <exception cref="InvalidOperationException">There is nothing to learn from, reading took all of the time, or every run failed; the inner exception is then an <see cref="AggregateException"/> of their failures.</exception>
    /// <exception cref="OperationCanceledException">Cancelled before the first run had a model.</exception>
    public GenerationExperimentResult Execute(IDataView trainData, IDataView? validationData = null, IEstimator<ITransformer>? preFeaturizer = null,
        IProgress<TransfusionRunDetail>? progressHandler = null)
    {
        if (trainData is null)
            throw _host.Process(new ArgumentNullException(nameof(trainData)));
        Stopwatch clock = Stopwatch.StartNew();
        _settings.CancellationToken.ThrowIfCancellationRequested();
        using IChannel channel = _host.Start("Experiment");
        int seed = _settings.Options.Seed ?? MLNetInternals.SeedOf(_context) ?? Random.Shared.Next();
        if (validationData is null)
        {
            DataOperationsCatalog.TrainTestData split = _context.Data.TrainTestSplit(trainData, _settings.ValidationFraction, seed: seed);
            (trainData, validationData) = (split.TrainSet, split.TestSet);
        }
        ITransformer? before = preFeaturizer?.Fit(trainData);
        if (before is not null)
            (trainData, validationData) = (before.Transform(trainData), before.Transform(validationData));

        var reader = new TransfusionTrainer(_context, _settings.Options with { CancellationToken = _settings.CancellationToken });
        using TrainingDocuments data = reader.Read(trainData, validationData, channel);
        var budget = new ExperimentBudget(_settings.MaxExperimentTime, _settings.MaxExperimentSteps, () => clock.Elapsed);
        if (budget.Left <= 0)
            throw _host.Process(new InvalidOperationException($"Reading the data took {clock.Elapsed:g}, and MaxExperimentTime is {_settings.MaxExperimentTime:g}: no time is left to train. Raise it."));
        var runner = new CandidateRunner(_context, channel, data, budget, seed, preFeaturizer, progressHandler, _settings.CancellationToken);
        bool done = false;
        try
        {
            IReadOnlyList<TransfusionRunDetail> runs = new ExperimentSearch(_candidates, budget, _settings.MaxModels, runner.Run, _settings.CancellationToken).Execute();
            if (runner.BestRun is null)
                throw _host.Process(Failure(runs));
            ITransformer model = before is null ? runner.BestModel! : new TransformerChain<ITransformer>(before, runner.BestModel!);
            TransfusionRunDetail best = runner.BestRun with { Model = model };
            channel.Info(MessageSensitivity.None, "Best of {0} runs: {1}, score {2:F4}.", runs.Count, best.TrainerName, best.ValidationMetrics!.Score);
            done = true;
            return new GenerationExperimentResult(best, [.. runs.Select(run => ReferenceEquals(run, runner.BestRun) ? best : run)]);
        }
        finally
        {
            if (!done)
                runner.Dispose();
        }
    }

    private Exception Failure(IReadOnlyList<TransfusionRunDetail> runs)
    {
        if (_settings.CancellationToken.IsCancellationRequested)
            return new OperationCanceledException("The experiment was cancelled before the first run had a model.", _settings.CancellationToken);
        return new InvalidOperationException($"No run of the experiment gave a model: "
            + string.Join(" ", runs.Select(run => $"{run.TrainerName}: {run.Exception?.Message ?? "its score is not a number."}")),
            new AggregateException(runs.Select(run => run.Exception).OfType<Exception>()));
    }
}
