// Training data: one pass over a view, pixels kept as 16-bit latents and texts as strings until the vocabulary is known.
// A 32×32 picture takes 6 KiB, so 50,000 pictures take 300 MiB.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Interop;

namespace Microsoft.ML.Transfusion.Data;

/// <param name="name">What messages call the view: training data or validation set.</param>
internal sealed class DocumentReader(IHost host, IChannel channel, IReadOnlyList<InputColumn> columns, TransfusionTrainer.Options options, string name)
{
    private const int NamedAtMost = 20;                            // unreadable pictures that get a line each

    /// <summary>Reads every row that has at least one value.</summary>
    /// <exception cref="InvalidOperationException">No row is left, or a picture is unreadable and the options say error.</exception>
    public RowDocuments Read(IDataView view)
    {
        var documents = new RowDocuments(options);
        using DataViewRowCursor cursor = view.GetRowCursor(columns.Select(column => view.Schema[column.Name]));
        List<(InputColumn Column, Func<RowPart?> Read)> readers = [.. columns.Select(column => (column, PartReader.Create(cursor, column, options.Image)))];
        long rows = 0, empty = 0, unreadable = 0;
        for (; cursor.MoveNext(); rows++)
        {
            MLNetInternals.CheckAlive(host);
            options.CancellationToken.ThrowIfCancellationRequested();
            if (!TryReadRow(readers, rows, ref unreadable, out List<RowPart> parts))
                continue;
            if (parts.Count == 0)
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

    private bool TryReadRow(List<(InputColumn Column, Func<RowPart?> Read)> readers, long row, ref long unreadable, out List<RowPart> parts)
    {
        parts = [];
        foreach ((InputColumn column, Func<RowPart?> read) in readers)
        {
            try
            {
                if (read() is { } part)
                    parts.Add(part);
            }
            // Decoders throw many kinds of exception; whichever it is, it is told.
            catch (Exception exception) when (column.IsImage && exception is not (OperationCanceledException or OutOfMemoryException))
            {
                parts.ForEach(part => part.Pixels?.Dispose());
                string message = $"Row {row} of the {name}: the picture in column '{column.Name}' could not be read: {exception.Message}";
                if (options.UnreadableImages == UnreadableImages.Error)
                    throw host.Process(new InvalidOperationException($"{message} Set UnreadableImages to Skip to train without such rows.", exception));
                if (unreadable++ < NamedAtMost)
                    channel.Warning(MessageSensitivity.UserData, "{0} The row is skipped.", message);
                return false;
            }
        }
        return true;
    }
}
