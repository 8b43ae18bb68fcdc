// All that a run carries from one step to the next: a checkpoint is a copy of it, and a run that is taken up again starts from one.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

internal sealed class TrainingState : IDisposable
{
    private readonly Muon? _muon;
    private readonly AdamW _adam;

    public TrainingState(TransfusionNetwork network, TrainingOptions options)
    {
        MemoryRetention.Enable();
        Network = network;
        network.RecomputesActivations = options.ActivationCheckpointing;
        Parameters = new FlatParameters(network, Precision.Resolve(options.Precision, options.Device), options.IsFrozen);
        _muon = options.Optimizer.Type == OptimizerType.Muon ? new Muon(Parameters, options.Optimizer) : null;
        _adam = new AdamW(Parameters, options.Optimizer, start: _muon is null ? 0 : Parameters.BlockMatrixCount);
        Average = new ExponentialMovingAverage(Parameters.Master, options.Optimizer.EmaDecay);
    }

    public TransfusionNetwork Network { get; }

    public FlatParameters Parameters { get; }

    public ExponentialMovingAverage Average { get; }

    /// <summary>Steps taken, skipped ones included.</summary>
    public int Step { get; set; }

    /// <summary>Steps whose loss or gradient was not finite, so that they moved nothing.</summary>
    public int SkippedSteps { get; set; }

    /// <summary>How many of them came last, one after the other.</summary>
    public int SkipsInARow { get; set; }

    /// <summary>Documents seen, counted with repetition.</summary>
    public long Documents { get; set; }

    /// <summary>Training time, that of earlier sittings included.</summary>
    public TimeSpan Elapsed { get; set; }

    /// <summary>Where the warm-up ended, so far: which share of the run it took depends on how long the run is to be, which may change from sitting to sitting.</summary>
    public (int Step, TimeSpan Elapsed) WarmedUp { get; set; }

    /// <summary>Where the data goes on.</summary>
    public DataPosition Data { get; set; }

    /// <summary>Moves the weights along the gradient that has been gathered and clipped.</summary>
    /// <param name="replicas">Threads to share the work among.</param>
    public void Update(double learningRate, Replicas replicas)
    {
        _adam.Begin();
        Average.Begin();
        replicas.ForEach(share =>
        {
            _muon?.Step(learningRate, share);
            _adam.Step(learningRate, share);
        });
        replicas.ForEach(share =>                           // Muon's shares are whole matrices, so these must wait for all
        {
            Parameters.ScatterMaster(share);
            Average.Update(share);
        });
    }

    /// <summary>Lets the network compute with the averaged weights until the result is disposed.</summary>
    public IDisposable UseAverage() => Parameters.Show(Average.Average);

    /// <summary>Every tensor that later steps depend on, by name, but for frozen weights, which never change. Writing into them, then <see cref="Restored"/>, restores a run.</summary>
    public IEnumerable<(string Name, Tensor Value)> Tensors() =>
        [("weights", Parameters.Master), .. Average.Tensors("average"), .. _adam.Tensors("adam"), .. _muon?.Tensors("muon") ?? []];

    /// <summary>The weights that training leaves alone, in the network's number format.</summary>
    public IEnumerable<Tensor> FrozenWeights => Network.named_parameters().Where(p => !p.parameter.requires_grad).Select(p => (Tensor)p.parameter);

    /// <summary>Lets the network follow values that were written into <see cref="Tensors"/>.</summary>
    public void Restored() => Parameters.ScatterMaster();

    public void Dispose()
    {
        _muon?.Dispose();
        _adam.Dispose();
        Average.Dispose();
        Parameters.Dispose();
    }
}
