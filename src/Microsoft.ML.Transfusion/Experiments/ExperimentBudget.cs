// What an experiment has left: wall-clock time, or optimizer steps where a test has to repeat itself.
namespace Microsoft.ML.Transfusion.Experiments;

/// <summary>How long a run may take; one of both.</summary>
internal readonly record struct RunLimit(TimeSpan? Time, int? Steps)
{
    /// <summary>How much of it is used, 1 at its end.</summary>
    public double Share(TimeSpan elapsed, int steps) => Steps is { } most ? (double)steps / most : elapsed / Time!.Value;
}

/// <param name="time">Time for everything; ignored where there are steps.</param>
/// <param name="steps">Steps for everything; null: time counts.</param>
/// <param name="elapsed">Time since the experiment began.</param>
internal sealed class ExperimentBudget(TimeSpan time, int? steps, Func<TimeSpan> elapsed)
{
    private int _stepsTaken;
    private TimeSpan _afterRun;                             // what a run takes after its training: scoring

    /// <summary>Time for everything; null where steps count.</summary>
    public TimeSpan? Time => steps is null ? time : null;

    /// <summary>The share of the whole that is left, in [0, 1].</summary>
    public double Left => Math.Max(0, steps is { } most ? 1 - (double)_stepsTaken / most : (time - elapsed() - _afterRun) / time);

    /// <summary>A limit of this share of the whole, or what is left.</summary>
    public RunLimit Of(double share)
    {
        share = Math.Min(share, Left);
        return steps is { } most ? new RunLimit(null, Math.Max(1, (int)Math.Round(share * most))) : new RunLimit(share * time, null);
    }

    /// <summary>How many slices of at least five seconds, or a step, are in this share of the whole. Shorter ones tell nothing.</summary>
    public int Slices(double share) => (int)(steps is { } most ? share * most : share * time / TimeSpan.FromSeconds(5));

    /// <summary>Takes away what a run used.</summary>
    /// <param name="afterRun">Time it took after its training; the next one will need it too.</param>
    public void Spend(int stepsTaken, TimeSpan afterRun)
    {
        _stepsTaken += stepsTaken;
        _afterRun = afterRun > _afterRun ? afterRun : _afterRun;
    }
}
