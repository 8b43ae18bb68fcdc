// Successive halving (Jamieson and Talwalkar 2016), cut to what minutes allow: every candidate trains for a short slice under a whole schedule of
// its own, the best two for a longer one, and the winner from the start with all the time that is left. One long run is worth more than many:
// what a small model draws becomes right late.
namespace Microsoft.ML.Transfusion.Experiments;

/// <param name="Detail">The run.</param>
/// <param name="HalfwayScore">The score in the middle of its time, where it was taken.</param>
internal sealed record RunOutcome(TransfusionRunDetail Detail, double? HalfwayScore);

/// <summary>What a run is for.</summary>
/// <param name="Limit">Its time.</param>
/// <param name="IsProbe">Whether it only has to be compared.</param>
/// <param name="RivalScore">The score that the best run of the same length had halfway; null: there is none.</param>
internal sealed record RunPlan(RunLimit Limit, bool IsProbe, double? RivalScore);

/// <param name="run">Trains a candidate and scores it; failures are in its outcome.</param>
internal sealed class ExperimentSearch(IReadOnlyList<GenerationCandidate> candidates, ExperimentBudget budget, int? maxModels,
    Func<GenerationCandidate, RunPlan, RunOutcome> run, CancellationToken cancellation)
{
    private const double FirstRound = 0.15;                 // of the whole, shared by all candidates
    private const double SecondRound = 0.14;                // of the whole, shared by the two best
    private const double LeastRest = 0.1;                   // with less than this left no run is begun anew
    private readonly List<TransfusionRunDetail> _runs = [];

    /// <summary>Runs, in order; at least one where there was time and no cancellation.</summary>
    public IReadOnlyList<TransfusionRunDetail> Execute()
    {
        int probes = Math.Min(Math.Min(candidates.Count, budget.Slices(FirstRound)), (maxModels ?? int.MaxValue) - 1);
        List<GenerationCandidate> ranking = [.. candidates];
        if (probes >= 2)
            ranking = Probe(ranking, probes, FirstRound / probes);
        if (probes >= 3 && RunsLeft > 2)
            ranking = Probe(ranking, 2, SecondRound / 2);
        for (int at = 0; at < ranking.Count && MayRun && (at == 0 || budget.Left >= LeastRest); at++)
        {
            TransfusionRunDetail full = Run(ranking[at], new RunPlan(budget.Of(1), IsProbe: false, RivalScore: null)).Detail;
            if (full.ValidationMetrics is not null && !full.StoppedEarly)
                break;
        }
        return _runs;
    }

    private int RunsLeft => (maxModels ?? int.MaxValue) - _runs.Count;

    private bool MayRun => RunsLeft > 0 && budget.Left > 0 && !cancellation.IsCancellationRequested;

    /// <summary>Tries the first of a ranking and puts them in order; those that failed are dropped from it.</summary>
    private List<GenerationCandidate> Probe(List<GenerationCandidate> ranking, int count, double share)
    {
        List<(GenerationCandidate Candidate, double Score)> scored = [];
        double? rival = null, best = null;
        foreach (GenerationCandidate candidate in ranking.Take(count))
        {
            if (!MayRun)
                return ranking;
            RunOutcome outcome = Run(candidate, new RunPlan(budget.Of(share), IsProbe: true, rival));
            if (outcome.Detail.ValidationMetrics is not { Score: var score } || double.IsNaN(score))
                continue;
            scored.Add((candidate, score));
            if (score < (best ?? double.PositiveInfinity))
                (best, rival) = (score, outcome.HalfwayScore);
        }
        return [.. scored.OrderBy(entry => entry.Score).Select(entry => entry.Candidate), .. ranking.Skip(count)];
    }

    private RunOutcome Run(GenerationCandidate candidate, RunPlan plan)
    {
        RunOutcome outcome = run(candidate, plan);
        _runs.Add(outcome.Detail);
        return outcome;
    }
}
