// Captions in the two JSON files that coco-caption compares: results and annotations.
using System.Text.Json;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Serialization;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class CocoCaptionFiles
{
    private readonly IDataView _data;
    private readonly EvaluatedColumns _columns;
    private readonly DataViewSchema.Column? _id;

    public CocoCaptionFiles(IExceptionContext context, IDataView data, string? imageIdColumnName)
    {
        ArgumentNullException.ThrowIfNull(data);
        _data = data;
        _columns = new EvaluatedColumns(context, data.Schema);
        _id = _columns.Id(imageIdColumnName);
    }

    public void SaveResults(string path, string textColumnName)
    {
        ArgumentException.ThrowIfNullOrEmpty(textColumnName);
        DataViewSchema.Column column = _columns.Text(textColumnName)!.Value;
        HashSet<object> seen = [];
        Write(path, Rows(column, row => TextColumns.Text(row, column)).Where(row => seen.Add(row.Id)).Select(row => new { image_id = row.Id, caption = row.Value }));
    }

    public void SaveAnnotations(string path, string labelColumnName)
    {
        ArgumentException.ThrowIfNullOrEmpty(labelColumnName);
        DataViewSchema.Column column = _columns.Texts(labelColumnName)!.Value;
        (object Id, string Caption)[] captions = [.. Rows(column, row => TextColumns.Texts(row, column))
            .SelectMany(row => row.Value.Where(caption => !string.IsNullOrWhiteSpace(caption)).Select(caption => (row.Id, caption)))];
        Write(path, new
        {
            info = new { },
            licenses = Array.Empty<object>(),
            type = "captions",
            images = captions.Select(caption => caption.Id).Distinct().Select(id => new { id }),
            annotations = captions.Select((caption, number) => new { id = number, image_id = caption.Id, caption = caption.Caption }),
        });
    }

    private static void Write<T>(string path, T contents) => AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, contents));

    private IEnumerable<(object Id, T Value)> Rows<T>(DataViewSchema.Column column, Func<DataViewRow, Func<T>> open)
    {
        using DataViewRowCursor cursor = _data.GetRowCursor(_id is { } id && id.Index != column.Index ? [column, id] : [column]);
        Func<object> readId = IdReader(cursor);
        Func<T> value = open(cursor);
        while (cursor.MoveNext())
            yield return (readId(), value());
    }

    private Func<object> IdReader(DataViewRow row)
    {
        if (_id is not { } column)
            return () => row.Position;
        if (column.Type is TextDataViewType)
            return TextColumns.Text(row, column);
        return column.Type == NumberDataViewType.Int64 ? Numbers<long>(row, column) : Numbers<int>(row, column);
    }

    private static Func<object> Numbers<T>(DataViewRow row, DataViewSchema.Column column) where T : struct
    {
        ValueGetter<T> getter = row.GetGetter<T>(column);
        T value = default;
        return () =>
        {
            getter(ref value);
            return value;
        };
    }
}
