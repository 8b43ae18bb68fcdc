// Many callers, one generator: whoever waits for rows takes the next step for all of them, so that concurrent calls are computed together without a
// thread of their own. Rows are admitted in the order they came.
using System.Runtime.ExceptionServices;

namespace Microsoft.ML.Transfusion.Generation;

/// <param name="maxWaiting">A call is refused while so many rows of other calls wait to be admitted.</param>
internal sealed class GenerationQueue(SequenceGenerator generator, Func<int> maxWaiting) : IDisposable
{
    private const int MaxActive = 64;                       // more at once take memory and gain nothing
    private readonly Lock _step = new();                    // whoever holds it steps; never wanted while holding the other
    private readonly Lock _line = new();
    private readonly Queue<GenerationRow> _waiting = new();
    private bool _disposed;

    /// <summary>Computes rows to their ends.</summary>
    /// <exception cref="GenerationOverloadException">Too many rows of other calls wait.</exception>
    /// <exception cref="OperationCanceledException">A row's token asked for it.</exception>
    public IReadOnlyList<GenerationRow> Run(IReadOnlyList<RowRequest> requests)
    {
        IReadOnlyList<GenerationRow> rows = Submit(requests);
        while (!Step(rows))
        {
        }
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

    /// <summary>Takes one step for everybody, unless these rows have ended.</summary>
    /// <param name="during">Called with these rows after the step, before anybody else takes another.</param>
    /// <returns>Whether these rows have ended.</returns>
    public bool Step(IReadOnlyList<GenerationRow> rows, Action? during = null)
    {
        lock (_step)
        {
            if (!HaveEnded(rows))
            {
                Admit();
                generator.Step();
            }
            during?.Invoke();
            return HaveEnded(rows);
        }
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
}
