// Text values of the current row as strings.
using Microsoft.ML.Data;

namespace Microsoft.ML.Transfusion.Data;

internal static class TextColumns
{
    /// <summary>Returns the current row's text on every call.</summary>
    public static Func<string> Text(DataViewRow row, DataViewSchema.Column column)
    {
        ValueGetter<ReadOnlyMemory<char>> getter = row.GetGetter<ReadOnlyMemory<char>>(column);
        ReadOnlyMemory<char> text = default;
        return () =>
        {
            getter(ref text);
            return text.ToString();
        };
    }

    /// <summary>Returns the current row's texts on every call, of a column of text or of text vectors.</summary>
    public static Func<IEnumerable<string>> Texts(DataViewRow row, DataViewSchema.Column column)
    {
        if (column.Type is TextDataViewType)
        {
            Func<string> read = Text(row, column);
            return () => [read()];
        }
        ValueGetter<VBuffer<ReadOnlyMemory<char>>> getter = row.GetGetter<VBuffer<ReadOnlyMemory<char>>>(column);
        VBuffer<ReadOnlyMemory<char>> texts = default;
        return () =>
        {
            getter(ref texts);
            return texts.DenseValues().Select(text => text.ToString());
        };
    }
}
