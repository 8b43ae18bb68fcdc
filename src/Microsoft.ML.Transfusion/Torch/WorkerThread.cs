// A thread of its own, to which libtorch keeps: for a replica of the network in training, or for some of the pictures in generation.
using System.Collections.Concurrent;

namespace Microsoft.ML.Transfusion.Torch;

internal sealed class WorkerThread : IDisposable
{
    private readonly BlockingCollection<Task> _work = [];
    private readonly Thread _thread;

    public WorkerThread(string name) => _thread = SingleThread.Start(name, Work);

    /// <summary>Does something on the thread, after what it was given before.</summary>
    public Task<T> Run<T>(Func<T> function)
    {
        var task = new Task<T>(function);
        _work.Add(task);
        return task;
    }

    /// <summary>Waits for the thread to end what it was given.</summary>
    public void Dispose()
    {
        _work.CompleteAdding();
        _thread.Join();
        _work.Dispose();
    }

    private void Work()
    {
        foreach (Task task in _work.GetConsumingEnumerable())
            task.RunSynchronously();
    }
}
