// Makes the coming batches on a thread of their own while the network works on the present one, and measures how long the network waits.
// The thread that made a batch also disposes of it.
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Microsoft.ML.Transfusion.Torch;

namespace Microsoft.ML.Transfusion.Training;

internal sealed class BatchPrefetch : IDisposable
{
    private const int Depth = 3;                            // enough to even out a slow read from disk

    private readonly BlockingCollection<TrainingBatch> _ready = new(Depth);
    private readonly ConcurrentQueue<TrainingBatch> _used = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Stopwatch _waiting = new();
    private readonly Thread _producer;
    private ExceptionDispatchInfo? _failure;
    private TrainingBatch? _present;

    /// <param name="batches">Batches without end, enumerated on the other thread until this object is disposed; then none of them is alive.</param>
    public BatchPrefetch(IEnumerable<TrainingBatch> batches) => _producer = SingleThread.Start("Transfusion data", () => Produce(batches));

    /// <summary>The time spent in <see cref="Next"/> so far.</summary>
    public TimeSpan Waited => _waiting.Elapsed;

    /// <summary>The next batch, which lasts until this is called again. An exception of the other thread comes out here as it was thrown.</summary>
    public TrainingBatch Next()
    {
        GiveBack();
        _waiting.Start();
        try
        {
            if (_ready.TryTake(out _present, Timeout.Infinite))
                return _present;
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
        GiveBack();
        _stop.Cancel();
        _producer.Join();
        DisposeAll();                                       // nothing is left unless the other thread had failed
        _ready.Dispose();
        _stop.Dispose();
    }

    private void Produce(IEnumerable<TrainingBatch> batches)
    {
        try
        {
            foreach (TrainingBatch batch in batches)
            {
                if (!TryHandOver(batch))
                    break;
                DisposeUsed();
            }
        }
        catch (Exception exception)                         // thrown on by Next
        {
            _failure = ExceptionDispatchInfo.Capture(exception);
        }
        finally
        {
            _ready.CompleteAdding();
            if (_stop.IsCancellationRequested)
                DisposeAll();
        }
    }

    private void GiveBack()
    {
        if (_present is not null)
            _used.Enqueue(_present);
        _present = null;
    }

    private void DisposeUsed()
    {
        while (_used.TryDequeue(out TrainingBatch? batch))
            batch.Dispose();
    }

    private void DisposeAll()
    {
        DisposeUsed();
        while (_ready.TryTake(out TrainingBatch? batch))
            batch.Dispose();
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
