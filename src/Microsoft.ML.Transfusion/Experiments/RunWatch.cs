// Early stopping by held-out data: a probe that is far behind at half of its time, a long run that no longer gets better. The latter gets the weights
// back that were best.
using System.Diagnostics;
using Microsoft.ML.Transfusion.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Experiments;

/// <param name="plan">The run.</param>
/// <param name="averages">Whether the finished model has the averaged weights, or the last ones.</param>
/// <param name="stop">Ends the run.</param>
/// <param name="score">Of the weights that the finished model would have; lower is better.</param>
internal sealed class RunWatch(RunPlan plan, bool averages, Action stop, Func<TrainingState, double> score) : IDisposable
{
    private const double Hopeless = 1.15;                   // times the rival's score
    private const double Between = 0.1;                     // of a long run, between two looks
    private const double MostTime = 0.03;                   // of the run, spent on looking
    private const int Patience = 3;                         // looks without a better score
    private const double Rounding = 1e-9;
    private readonly Stopwatch _looking = new();
    private double _next = plan.IsProbe ? 0.5 : Between;
    private double _best = double.PositiveInfinity;
    private int _looksSinceBest;
    private Tensor? _bestWeights;                           // [N]

    /// <summary>The score in the middle of a probe; null before it.</summary>
    public double? HalfwayScore { get; private set; }

    /// <summary>Whether the run was ended here.</summary>
    public bool Stopped { get; private set; }

    public int Steps { get; private set; }

    public void AfterStep(TrainingState state)
    {
        Steps = state.Step;
        double share = plan.Limit.Share(state.Elapsed, state.Step);
        if (Stopped || share < _next - Rounding || share >= 1)
            return;
        _looking.Restart();
        using var noGradient = no_grad();
        double now;
        using (averages ? state.UseAverage() : null)
            now = score(state);
        if (plan.IsProbe)
        {
            HalfwayScore = now;
            Stopped = now > Hopeless * plan.RivalScore;
            _next = 1;
        }
        else
        {
            Remember(now, averages ? state.Average.Average : state.Parameters.Master);
            double cost = plan.Limit.Time is { } time ? _looking.Elapsed / time : 0;
            _next = share + Math.Max(Between, cost / MostTime);
        }
        if (Stopped)
            stop();
    }

    public void Dispose() => _bestWeights?.Dispose();

    /// <param name="weights">What the finished model would be made of, [N].</param>
    private void Remember(double now, Tensor weights)
    {
        if (now < _best)
        {
            _bestWeights?.Dispose();
            (_best, _looksSinceBest, _bestWeights) = (now, 0, weights.clone().DetachFromDisposeScope());
        }
        else if (++_looksSinceBest == Patience && _bestWeights is not null)
        {
            weights.copy_(_bestWeights);
            Stopped = true;
        }
    }
}
