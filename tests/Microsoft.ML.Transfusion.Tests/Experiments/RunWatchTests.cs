// Early stopping, told from a run of a tiny network and scores that are made up.
using Microsoft.ML.Transfusion.Experiments;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Experiments;

public sealed class RunWatchTests : IDisposable
{
    private readonly TransfusionNetwork _network = new(TinyTraining.Options.Transformer, 260, patchVectorSize: 48, patchCount: 4);
    private readonly TrainingState _state;
    private int _stops;

    public RunWatchTests() => _state = new TrainingState(_network, new TrainingOptions(new OptimizerConfig(), 100, null, 1, TrainingPrecision.Float32, CPU));

    public void Dispose()
    {
        _state.Dispose();
        _network.Dispose();
    }

    [Theory]
    [InlineData(1.0, false)]
    [InlineData(2.0, true)]
    public void A_probe_is_looked_at_once_and_stops_far_behind_its_rival(double score, bool stops)
    {
        List<int> looks = [];
        using RunWatch watch = Watch(new RunPlan(new RunLimit(null, 100), IsProbe: true, RivalScore: 1), () => score, looks, averages: false);

        Walk(watch, 100);

        Assert.Equal([50], looks);
        Assert.Equal((score, stops, stops ? 1 : 0), (watch.HalfwayScore, watch.Stopped, _stops));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_long_run_that_gets_no_better_ends_with_the_weights_that_were_best(bool averages)
    {
        List<int> looks = [];
        var scores = new Queue<double>([3, 2, 1, 2, 1.5, 1, 0.5]);
        using RunWatch watch = Watch(new RunPlan(new RunLimit(null, 100), IsProbe: false, RivalScore: null), scores.Dequeue, looks, averages);

        Walk(watch, 60);

        Assert.Equal([10, 20, 30, 40, 50, 60], looks);
        Assert.True(watch.Stopped);
        Assert.Equal(1, _stops);
        Assert.Equal(30, (averages ? _state.Average.Average : _state.Parameters.Master)[0].ToSingle());
    }

    [Fact]
    public void A_long_run_that_gets_better_now_and_then_goes_on()
    {
        var scores = new Queue<double>([3, 4, 4, 2, 4, 4, 1, 4, 4]);
        using RunWatch watch = Watch(new RunPlan(new RunLimit(null, 100), IsProbe: false, RivalScore: null), scores.Dequeue, [], averages: true);

        Walk(watch, 100);

        Assert.Equal((false, 0, 100), (watch.Stopped, _stops, watch.Steps));
    }

    private RunWatch Watch(RunPlan plan, Func<double> score, List<int> looks, bool averages) => new(plan, averages, () => _stops++, state =>
    {
        looks.Add(state.Step);
        Assert.Equal(state.Step, state.Parameters.Master[0].ToSingle());                   // what is scored are the weights of now
        return score();
    });

    /// <summary>Steps whose weights are the step's number.</summary>
    private void Walk(RunWatch watch, int steps)
    {
        using var noGradient = no_grad();
        for (_state.Step = 1; _state.Step <= steps; _state.Step++)
        {
            _state.Parameters.Master.fill_(_state.Step);
            _state.Average.Average.fill_(_state.Step);
            watch.AfterStep(_state);
        }
    }
}
