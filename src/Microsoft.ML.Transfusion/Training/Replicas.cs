// Data parallelism within the process (CPU): each core has a network object with the shared weights, takes a share of a batch's rows and gathers a
// gradient of its own. A core never waits for another before the end of its backward pass; within products it would, hundreds of times a step.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

internal sealed class Replicas : IDisposable
{
    private readonly List<TransfusionNetwork> _networks = [];
    private readonly List<WorkerThread> _threads = [];

    /// <summary>One replica for each of libtorch's threads; none where there is one thread, or a GPU.</summary>
    public Replicas(TransfusionNetwork network, FlatParameters parameters)
    {
        int count = network.Device.type == DeviceType.CPU ? get_num_threads() : 1;
        if (count > 1)
            network.MakeRotaryTable();                      // here, where it will be disposed: TorchSharp counts tensors thread by thread
        for (int i = 0; count > 1 && i < count; i++)
        {
            _threads.Add(new WorkerThread($"Transfusion replica {i}"));
            _networks.Add(i == 0 ? network : _threads[i].Run(network.CreateTwin).Result);
            if (i > 0)
                parameters.Share(network, _networks[i]);
        }
    }

    /// <summary>Into how many shares <see cref="ForEach"/> cuts.</summary>
    public int ShareCount => Math.Max(1, _threads.Count);

    /// <summary>Does each share of something on a replica's thread, all at once; here, and whole, where there are no replicas. libtorch's own threads would go on
    /// to wait for more work for a while, in the replicas' way.</summary>
    public void ForEach(Action<WorkShare> action)
    {
        if (_threads.Count == 0)
            action(WorkShare.Whole);
        else
            Task.WaitAll([.. _threads.Select((thread, number) => thread.Run(() =>
            {
                using var scope = NewDisposeScope();
                action(new WorkShare(number, _threads.Count));
                return true;
            }))]);
    }

    /// <summary>How many shares a batch of so many rows is cut into; 1: it is better computed whole.</summary>
    public int Shares(int rows) => _networks.Count > 1 && rows >= _networks.Count ? _networks.Count : 1;

    /// <summary>Computes something of every share at once, each on its own thread, and returns it in the shares' order.</summary>
    /// <param name="function">Gets a network and its share of the rows.</param>
    public T[] Run<T>(TrainingBatch batch, Func<TransfusionNetwork, TrainingBatch, T> function)
    {
        int shares = Shares(batch.Sequences.Rows);
        Task<T>[] tasks =
        [
            .. Enumerable.Range(0, shares).Select(share => _threads[share].Run(() =>
            {
                using var scope = NewDisposeScope();
                int begin = batch.Sequences.Rows * share / shares, end = batch.Sequences.Rows * (share + 1) / shares;
                using TrainingBatch rows = batch.Slice(begin, end - begin);
                return function(_networks[share], rows);
            })),
        ];
        Task.WaitAll(tasks);
        return [.. tasks.Select(task => task.Result)];
    }

    public void Dispose()
    {
        for (int i = 0; i < _threads.Count; i++)
        {
            if (i > 0)
                _threads[i].Run(() => Dispose(_networks[i])).Wait();            // likewise where it was made
            _threads[i].Dispose();
        }
    }

    private static bool Dispose(TransfusionNetwork twin)
    {
        twin.Dispose();
        return true;
    }
}
