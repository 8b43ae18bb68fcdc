// Many callers, one generator: of the calls that wait for rows one takes the steps for all of them, so that concurrent calls are computed together without
// a thread of their own; the others sleep until they have their answer, or until it is their turn to lead. Rows are admitted in the order they came.
using System.Runtime.ExceptionServices;

namespace Microsoft.ML.Transfusion.Generation;

/// <param name="maxWaiting">A call is refused while so many rows of other calls wait to be admitted.</param>
internal sealed class GenerationQueue(SequenceGenerator generator, Func<int> maxWaiting) : IDisposable
{
    private const int MaxActive = 64;                       // more at once take memory and gain nothing
    private readonly Lock _step = new();                    // held during a step; never wanted while holding the other
    private readonly Lock _line = new();
    private readonly Queue<GenerationRow> _waiting = new();
    private readonly List<Call> _calls = [];                // that wait for whoever leads
    private bool _isLed;
    private bool _disposed;

    /// <summary>Computes rows to their ends.</summary>
    /// <exception cref="GenerationOverloadException">Too many rows of other calls wait.</exception>
    /// <exception cref="OperationCanceledException">A row's token asked for it.</exception>
    public IReadOnlyList<GenerationRow> Run(IReadOnlyList<RowRequest> requests)
    {
        IReadOnlyList<GenerationRow> rows = Submit(requests);
        Follow(new Call(rows, isForOneStep: false, after: null));
        if (rows.FirstOrDefault(row => row.Failure is not null) is { } failed)
        {
            foreach (GenerationRow row in rows)
                row.DisposeImages();
            ExceptionDispatchInfo.Throw(failed.Failure!);
        }
        return rows;
    }

    /// <summary>Lets rows wait for their turn.</summary>
    public IReadOnlyList<GenerationRow> Submit(IReadOnlyList<RowRequest> requests)
    {
        lock (_line)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_waiting.Count >= maxWaiting())
                throw new GenerationOverloadException(_waiting.Count, maxWaiting());
            GenerationRow[] rows = [.. requests.Select(generator.CreateRow)];
            foreach (GenerationRow row in rows)
                _waiting.Enqueue(row);
            return rows;
        }
    }

    /// <summary>Waits for one step, its own or another call's, unless these rows have ended.</summary>
    /// <param name="after">Called after every step while this waits, on whichever thread took it, before another is taken.</param>
    /// <returns>Whether these rows had ended when <paramref name="after"/> was called last: others may have taken further steps since.</returns>
    public bool Step(IReadOnlyList<GenerationRow> rows, Action? after = null)
    {
        var call = new Call(rows, isForOneStep: true, after);
        Follow(call);
        return call.HasEnded;
    }

    /// <summary>Does something else with the network between two steps.</summary>
    public T Use<T>(Func<T> function)
    {
        lock (_step)
            return function();
    }

    /// <summary>Ends rows that nobody waits for any more.</summary>
    public void Abandon(IReadOnlyList<GenerationRow> rows)
    {
        lock (_step)
            foreach (GenerationRow row in rows.Where(row => !row.HasEnded))
                row.Fail(new OperationCanceledException());
    }

    public void Dispose()
    {
        lock (_line)
        {
            _disposed = true;
            while (_waiting.TryDequeue(out GenerationRow? row))
            {
                row.Fail(new ObjectDisposedException(nameof(GenerationQueue)));
                row.Dispose();
            }
        }
        lock (_step)
            generator.Dispose();
    }

    private void Follow(Call call)
    {
        bool leads;
        lock (_line)
        {
            leads = !_isLed;
            _isLed = true;
            if (!leads)
                _calls.Add(call);
        }
        if (leads || call.Sleep())
            Lead(call);
    }

    /// <summary>Steps for everybody until this call has what it wants, and then lets another lead.</summary>
    private void Lead(Call call)
    {
        try
        {
            do
            {
                lock (_step)
                {
                    if (!HaveEnded(call.Rows))
                    {
                        Admit();
                        generator.Step();
                    }
                    Notify(call);
                    Answer();
                }
            }
            while (!call.HasAnswer);
        }
        finally
        {
            LetAnotherLead();
        }
    }

    private void LetAnotherLead()
    {
        lock (_line)
        {
            _isLed = _calls.Count > 0;
            if (!_isLed)
                return;
            Call next = _calls[0];
            _calls.RemoveAt(0);
            next.Wake(leads: true);
        }
    }

    /// <summary>Tells the others, and wakes those that have what they want.</summary>
    private void Answer()
    {
        Call[] calls;
        lock (_line)
            calls = [.. _calls];
        foreach (Call call in calls)
        {
            Notify(call);
            if (!call.HasAnswer)
                continue;
            lock (_line)
                _calls.Remove(call);
            call.Wake(leads: false);
        }
    }

    private static void Notify(Call call)
    {
        try
        {
            call.After?.Invoke();
        }
        catch (Exception exception)                         // its own caller is told, not whoever leads
        {
            foreach (GenerationRow row in call.Rows)
                row.Fail(exception);
        }
        call.HasEnded = HaveEnded(call.Rows);
    }

    private void Admit()
    {
        lock (_line)
            while (generator.Count < MaxActive && _waiting.TryDequeue(out GenerationRow? row))
                generator.Admit(row);
    }

    private static bool HaveEnded(IReadOnlyList<GenerationRow> rows)
    {
        foreach (GenerationRow row in rows)
            if (!row.HasEnded)
                return false;
        return true;
    }

    /// <param name="isForOneStep">Whether the caller wants to be back after a step, ended or not.</param>
    private sealed class Call(IReadOnlyList<GenerationRow> rows, bool isForOneStep, Action? after)
    {
        private readonly object _sleep = new();             // a Lock would spin for a while, and take the processors from the network
        private bool _isAwake;
        private bool _leads;

        public IReadOnlyList<GenerationRow> Rows => rows;

        public Action? After => after;

        /// <summary>Whether its rows had ended when it was told last.</summary>
        public bool HasEnded { get; set; }

        public bool HasAnswer => isForOneStep || HasEnded;

        /// <returns>Whether it is this call's turn to lead.</returns>
        public bool Sleep()
        {
            lock (_sleep)
            {
                while (!_isAwake)
                    Monitor.Wait(_sleep);
                return _leads;
            }
        }

        public void Wake(bool leads)
        {
            lock (_sleep)
            {
                (_isAwake, _leads) = (true, leads);
                Monitor.Pulse(_sleep);
            }
        }
    }
}
