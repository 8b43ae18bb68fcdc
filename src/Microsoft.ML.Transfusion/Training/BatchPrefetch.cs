// Makes the coming batches on a thread of their own while the network works on the present one, and measures how long the network waits.
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

internal sealed class BatchPrefetch : IDisposable
{
    private const int Depth = 3;                            // enough to even out a slow read from disk

    private readonly BlockingCollection<TrainingBatch> _ready = new(Depth);
    private readonly CancellationTokenSource _stop = new();
    private readonly Stopwatch _waiting = new();
    private readonly Thread _producer;
    private ExceptionDispatchInfo? _failure;

    /// <param name="batches">Batches without end, enumerated on the other thread until this object is disposed; then none of them is alive but those that were taken.</param>
    public BatchPrefetch(IEnumerable<TrainingBatch> batches)
    {
        int threads = get_num_threads();
        using var isSingle = new ManualResetEventSlim();
        _producer = new Thread(() =>
        {
            RunOnOneThread();
            isSingle.Set();
            Produce(batches);
        })
        { IsBackground = true, Name = "Transfusion data" };
        _producer.Start();
        isSingle.Wait();
        set_num_threads(threads);                           // what the other thread set for itself is also what new threads would begin with
    }

    /// <summary>The time spent in <see cref="Next"/> so far.</summary>
    public TimeSpan Waited => _waiting.Elapsed;

    /// <summary>The next batch, which is then the caller's. An exception of the other thread comes out here as it was thrown.</summary>
    public TrainingBatch Next()
    {
        _waiting.Start();
        try
        {
            if (_ready.TryTake(out TrainingBatch? batch, Timeout.Infinite))
                return batch;
        }
        finally
        {
            _waiting.Stop();
        }
        _failure?.Throw();
        throw new InvalidOperationException("The batches have come to an end.");
    }

    public void Dispose()
    {
        _stop.Cancel();
        _producer.Join();
        foreach (TrainingBatch batch in _ready)
            batch.Dispose();
        _ready.Dispose();
        _stop.Dispose();
    }

    /// <summary>The operations of a batch are small, and every other thread's place is with the network. Asking first makes the number this thread's own.</summary>
    private static void RunOnOneThread()
    {
        if (get_num_threads() > 1)
            set_num_threads(1);
    }

    private void Produce(IEnumerable<TrainingBatch> batches)
    {
        try
        {
            foreach (TrainingBatch batch in batches)
                if (!TryHandOver(batch))
                    return;
        }
        catch (Exception exception)                         // thrown on by Next
        {
            _failure = ExceptionDispatchInfo.Capture(exception);
        }
        finally
        {
            _ready.CompleteAdding();
        }
    }

    private bool TryHandOver(TrainingBatch batch)
    {
        try
        {
            _ready.Add(batch, _stop.Token);
            return true;
        }
        catch (OperationCanceledException)                  // the run has ended
        {
            batch.Dispose();
            return false;
        }
    }
}
