// Training data: one pass over a view, in which every picture is decoded once. What is read goes to a DataCache.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Interop;

namespace Microsoft.ML.Transfusion.Data;

/// <param name="unreadableImages">What to do about them.</param>
/// <param name="name">What messages call the view: training data or validation set.</param>
internal sealed class DocumentReader(IHost host, IChannel channel, IReadOnlyList<InputColumn> columns, UnreadableImages unreadableImages, TransfusionConfig config, string name,
    CancellationToken cancellationToken)
{
    private const int NamedAtMost = 20;                            // unreadable pictures that get a line each

    /// <summary>Reads every row that has at least one value.</summary>
    /// <exception cref="InvalidOperationException">No row is left, or a picture is unreadable and the options say error, or a vector has values that are no numbers.</exception>
    /// <param name="documents">Takes what is read.</param>
    public RowDocuments Read(IDataView view, RowDocuments documents)
    {
        List<DataViewSchema.Column> names = [.. view.Schema.Where(column => !column.IsHidden && column.Type is TextDataViewType)];
        using DataViewRowCursor cursor = view.GetRowCursor(columns.Select(column => view.Schema[column.Name]).Union(names));
        List<(InputColumn Column, Func<RowPart?> Read)> readers = [.. columns.Select(column => (column, PartReader.Create(cursor, column, config)))];
        long rows = 0, empty = 0, unreadable = 0;
        for (; cursor.MoveNext(); rows++)
        {
            MLNetInternals.CheckAlive(host);
            cancellationToken.ThrowIfCancellationRequested();
            if (TryReadRow(readers, out List<RowPart> parts) is { } failure)
                Skip(failure, $"Row {rows} of the {name} ({Describe(cursor, names)})", unreadable++);
            else if (parts.Count == 0)
                empty++;
            else
                documents.Add(rows, parts);
        }
        if (unreadable > 0)
            channel.Warning(MessageSensitivity.None, "{0} of {1} rows of the {2} were skipped because a picture could not be read.", unreadable, rows, name);
        if (empty > 0)
            channel.Warning(MessageSensitivity.None, "{0} of {1} rows of the {2} were skipped because all their values are missing.", empty, rows, name);
        if (documents.Count == 0)
            throw host.Process(new InvalidOperationException($"The {name} has no row to learn from: {rows} rows were read, {empty} of them without "
                + $"any value in {string.Join(", ", columns.Select(column => $"'{column.Name}'"))}, {unreadable} with a picture that could not be read."));
        channel.Info(MessageSensitivity.None, "Read {0} rows of the {1}.", documents.Count, name);
        return documents;
    }

    /// <summary>Returns the failure, if a picture of the row cannot be read. Decoders throw many kinds of exception; whichever it is, it is told.</summary>
    private static Failure? TryReadRow(List<(InputColumn Column, Func<RowPart?> Read)> readers, out List<RowPart> parts)
    {
        parts = [];
        foreach ((InputColumn column, Func<RowPart?> read) in readers)
        {
            try
            {
                if (read() is { } part)
                    parts.Add(part);
            }
            catch (Exception exception) when (!column.IsText && exception is not (OperationCanceledException or OutOfMemoryException))
            {
                parts.ForEach(part => part.Values?.Dispose());
                return new Failure(column, exception);
            }
        }
        return null;
    }

    private void Skip(Failure failure, string row, long before)
    {
        if (failure.Column.IsVector)
            throw host.Process(new InvalidOperationException($"{row}: {failure.Exception.Message}", failure.Exception));
        string message = $"{row}: the picture in column '{failure.Column.Name}' could not be read: {failure.Exception.Message}";
        if (unreadableImages == UnreadableImages.Error)
            throw host.Process(new InvalidOperationException($"{message} Set UnreadableImages to Skip to train without such rows.", failure.Exception));
        if (before < NamedAtMost)
            channel.Warning(MessageSensitivity.UserData, "{0} The row is skipped.", message);
    }

    /// <summary>The row's texts, of which one is usually the picture's path. They are active in the cursor, but read only here.</summary>
    private static string Describe(DataViewRow row, List<DataViewSchema.Column> names)
    {
        ReadOnlyMemory<char> text = default;
        return string.Join(", ", names.Select(column =>
        {
            row.GetGetter<ReadOnlyMemory<char>>(column)(ref text);
            return $"{column.Name} '{text}'";
        }));
    }

    private sealed record Failure(InputColumn Column, Exception Exception);
}
