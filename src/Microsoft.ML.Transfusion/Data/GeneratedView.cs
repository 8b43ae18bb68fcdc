// The view that Transform returns: the input's rows with the outputs' columns. It computes nothing until a cursor's getter is called.
using Microsoft.ML.Data;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class GeneratedView(RowMapper mapper, IDataView input) : IDataView
{
    public DataViewSchema Schema => mapper.OutputSchema;

    public bool CanShuffle => input.CanShuffle;

    public long? GetRowCount() => input.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        bool[] active = mapper.Active(columnsNeeded);
        return new BatchCursor(mapper, input.GetRowCursor(mapper.InputsFor(active), rand), active);
    }

    /// <summary>As many cursors as the input gives; what they ask for at once is computed together.</summary>
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null)
    {
        bool[] active = mapper.Active(columnsNeeded);
        return [.. input.GetRowCursorSet(mapper.InputsFor(active), n, rand).Select(cursor => new BatchCursor(mapper, cursor, active))];
    }
}
