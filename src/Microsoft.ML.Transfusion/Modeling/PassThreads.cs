// Threads that share the chunks of a pass. Passes of a millisecond follow each other closely, and to wake a thread that sleeps takes a virtual machine a
// tenth of that: so these stay awake for a moment after a pass.
using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace Microsoft.ML.Transfusion.Modeling;

/// <summary>For one caller at a time, which works too.</summary>
internal sealed class PassThreads : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMicroseconds(300);
    private readonly object _bed = new();
    private readonly Thread[] _threads;
    private Work _work = new(0, _ => { });
    private int _asleep;
    private volatile bool _disposed;

    /// <param name="count">Besides the caller's.</param>
    public PassThreads(int count)
    {
        _threads = [.. Enumerable.Range(0, count).Select(number => new Thread(Help) { IsBackground = true, Name = $"Transfusion pass {number}" })];
        foreach (Thread thread in _threads)
            thread.Start();
    }

    /// <summary>Does it with every number below <paramref name="count"/>, each once, in any order and on any of the threads.</summary>
    public void ForEach(int count, Action<int> action)
    {
        var work = new Work(count, action);
        if (count > 1)
            Announce(work);
        work.Take();
        var wait = new SpinWait();
        while (!work.IsDone)
            wait.SpinOnce(sleep1Threshold: -1);
        work.Failure?.Throw();
    }

    public void Dispose()
    {
        _disposed = true;
        Announce(new Work(0, _ => { }));
        foreach (Thread thread in _threads)
            thread.Join();
    }

    private void Announce(Work work)
    {
        Interlocked.Exchange(ref _work, work);
        if (Volatile.Read(ref _asleep) == 0)
            return;
        lock (_bed)
            Monitor.PulseAll(_bed);
    }

    private void Help()
    {
        Work last = _work;
        while (!_disposed)
        {
            last = Await(last);
            last.Take();
        }
    }

    private Work Await(Work last)
    {
        var wait = new SpinWait();
        for (long start = Stopwatch.GetTimestamp(); Volatile.Read(ref _work) == last && Stopwatch.GetElapsedTime(start) < Patience;)
            wait.SpinOnce(sleep1Threshold: -1);
        if (Volatile.Read(ref _work) != last)
            return _work;
        lock (_bed)
        {
            Interlocked.Increment(ref _asleep);             // before the look below: Announce looks the other way round
            while (Volatile.Read(ref _work) == last)
                Monitor.Wait(_bed);
            Interlocked.Decrement(ref _asleep);
        }
        return _work;
    }

    private sealed class Work(int count, Action<int> action)
    {
        private int _next = -1;
        private int _done;
        private ExceptionDispatchInfo? _failure;

        public bool IsDone => Volatile.Read(ref _done) == count;

        public ExceptionDispatchInfo? Failure => _failure;

        public void Take()
        {
            for (int number; (number = Interlocked.Increment(ref _next)) < count; Interlocked.Increment(ref _done))
            {
                try
                {
                    action(number);
                }
                catch (Exception exception)                 // not hidden: the caller throws it
                {
                    _failure = ExceptionDispatchInfo.Capture(exception);
                }
            }
        }
    }
}
