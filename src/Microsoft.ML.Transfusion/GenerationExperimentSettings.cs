// What an experiment may spend and what it may try.
namespace Microsoft.ML.Transfusion;

/// <summary>A recipe to try, under a name.</summary>
/// <param name="Name">What <see cref="TransfusionRunDetail.TrainerName"/> says.</param>
/// <param name="Options">The recipe. How long it is trained is the experiment's to say.</param>
public sealed record GenerationCandidate(string Name, TransfusionTrainer.Options Options)
{
    /// <summary>
    /// What an experiment tries when it is told nothing else, likeliest first: the presets <see cref="DiffusionConfig.Minutes"/> with
    /// <see cref="OptimizerConfig.Minutes"/> at their learning rate, at 1.5 times it and at two thirds; flow matching with the same timesteps; and the options as they are.
    /// </summary>
    /// <param name="options">Columns, sizes and all else that the candidates share.</param>
    public static IReadOnlyList<GenerationCandidate> Presets(TransfusionTrainer.Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        OptimizerConfig optimizer = OptimizerConfig.Minutes;
        TransfusionTrainer.Options minutes = options with { Diffusion = DiffusionConfig.Minutes, Optimizer = optimizer };
        GenerationCandidate AtRate(string name, double factor) => new(name, minutes with { Optimizer = optimizer with { LearningRate = factor * optimizer.LearningRate } });
        List<GenerationCandidate> candidates = [new("Minutes", minutes), AtRate("Minutes, learning rate x 1.5", 1.5), AtRate("Minutes, learning rate / 1.5", 1 / 1.5)];
        if (options.Generation is { Sampler: DiffusionSamplerType.Auto })       // the others are for DDPM
            candidates.Add(new("Flow", minutes with { Diffusion = DiffusionConfig.Minutes with { Objective = DiffusionObjective.FlowMatching, Prediction = PredictionType.Velocity, LossTarget = null } }));
        if (options != minutes)
            candidates.Add(new("Options", options));
        return candidates;
    }
}

/// <summary>Settings of <see cref="GenerationCatalog.CreateExperiment(GenerationExperimentSettings)"/>. Immutable.</summary>
public sealed record GenerationExperimentSettings
{
    /// <summary>Wall-clock time for everything, the reading of the data included; above zero, ten minutes by default. The experiment ends with it.</summary>
    public TimeSpan MaxExperimentTime { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Runs at most, at least 1. Null, the default, for no limit but the time. With 1, the first candidate gets all of it.</summary>
    public int? MaxModels { get; init; }

    /// <summary>
    /// Columns, sizes, vocabulary, seed, progress of single runs and all else that is not tried. NumberOfSteps, MaxTrainingTime, ValidationSet and
    /// CancellationToken must be left out: the experiment has its own.
    /// </summary>
    public TransfusionTrainer.Options Options { get; init; } = new();

    /// <summary>What to try, likeliest first: a short experiment may not reach the last ones. Null, the default, means <see cref="GenerationCandidate.Presets"/> of <see cref="Options"/>. Columns, pictures and vocabulary must be those of <see cref="Options"/>, as the data is read once.</summary>
    public IReadOnlyList<GenerationCandidate>? Candidates { get; init; }

    /// <summary>Share of the training data that is held out where no validation data are given, in (0, 1); 0.1 by default.</summary>
    public double ValidationFraction { get; init; } = 0.1;

    /// <summary>Ends the experiment soon, with the best model so far. Where there is none, Execute throws <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken CancellationToken { get; init; }

    /// <summary>Steps for everything, instead of time: runs of tests repeat to the bit.</summary>
    internal int? MaxExperimentSteps { get; init; }
}
