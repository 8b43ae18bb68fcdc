// Pictures of a column as numbered PNG files, for tools that read a folder.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Interop;

namespace Microsoft.ML.Transfusion.Data;

internal static class ImageFolder
{
    public static void Save(IHost host, IDataView data, string folder, string imageColumnName)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentException.ThrowIfNullOrEmpty(imageColumnName);
        DataViewSchema.Column column = new EvaluatedColumns(host, data.Schema).Image(imageColumnName)!.Value;
        bool owned = column.Annotations.Schema.GetColumnOrNull(OutputSchemas.GeneratedFrom) is not null;         // made for whoever reads it
        CreateEmpty(host, folder);
        using DataViewRowCursor cursor = data.GetRowCursor([column]);
        Func<MLImage?> read = PartReader.ImageReader(cursor.GetGetter<MLImage>(column));
        while (cursor.MoveNext())
        {
            MLNetInternals.CheckAlive(host);
            MLImage? image = read();
            image?.Save(Path.Combine(folder, $"{cursor.Position:d5}.png"));
            if (owned)
                image?.Dispose();
        }
    }

    /// <exception cref="ArgumentException">The folder has files in it, which would be taken for ours.</exception>
    public static void CreateEmpty(IExceptionContext context, string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
            throw context.Process(new ArgumentException($"The folder '{folder}' is not empty. Name a new one, or empty it first: whatever is in it would be evaluated too.", nameof(folder)));
        Directory.CreateDirectory(folder);
    }
}
