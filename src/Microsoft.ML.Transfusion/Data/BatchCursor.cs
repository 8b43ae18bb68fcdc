// Reads a batch of rows ahead, so that the network sees them together, and hands them out one at a time in their order. The input cursor is
// ahead of ours: nothing of it is handed out, only copies. Without an active output there is nothing to gain, and it goes row by row.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class BatchCursor : DataViewRowCursor
{
    private readonly RowMapper _mapper;
    private readonly DataViewRowCursor _input;
    private readonly bool[] _active;
    private readonly BufferedColumn?[] _columns;
    private readonly OutputBatch _outputs;
    private readonly ValueGetter<DataViewRowId> _readId;
    private readonly DataViewRowId[] _ids;
    private readonly long[] _batches;
    private int _count;
    private int _place;
    private long _position = -1;
    private bool _inputEnded, _disposed;

    /// <param name="input">A cursor over the columns that <paramref name="active"/> output columns need; disposed with this one.</param>
    public BatchCursor(RowMapper mapper, DataViewRowCursor input, bool[] active)
    {
        (_mapper, _input, _active) = (mapper, input, active);
        List<OutputColumn> outputs = mapper.ActiveOutputs(active);
        int capacity = outputs.Count > 0 ? mapper.BatchSize : 1;
        _columns = [.. mapper.InputSchema.Select(column => active[column.Index] ? BufferedColumn.Create(input, column, capacity) : null)];
        _outputs = mapper.CreateBatch(input, outputs);
        _readId = input.GetIdGetter();
        _ids = new DataViewRowId[capacity];
        _batches = new long[capacity];
    }

    public override DataViewSchema Schema => _mapper.OutputSchema;

    public override long Position => _position;

    public override long Batch => _position < 0 ? 0 : _batches[_place];

    public override bool IsColumnActive(DataViewSchema.Column column) => _active[column.Index];

    public override bool MoveNext()
    {
        if (_disposed)
            return false;
        if (++_place >= _count)
        {
            Fill();
            if (_count == 0)
            {
                Dispose();
                return false;
            }
            _place = 0;
        }
        _position++;
        return true;
    }

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId id) => id = _ids[Place()];

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        _mapper.RequireActive(column, _active);
        Delegate getter = column.Index < _columns.Length
            ? _columns[column.Index]!.Getter(Place)
            : _outputs.Getter(_mapper.OutputAt(column.Index), Place);
        return _mapper.As<TValue>(getter, column);
    }

    protected override void Dispose(bool disposing)
    {
        if (!_disposed && disposing)
        {
            foreach (BufferedColumn? column in _columns)
                column?.Clear();
            _outputs.Dispose();
            _input.Dispose();
        }
        _disposed = true;
        _position = -1;
        base.Dispose(disposing);
    }

    private void Fill()
    {
        _outputs.Clear();
        for (_count = 0; !_inputEnded && _count < _ids.Length; _count++)
        {
            _mapper.CheckAlive();
            if (!_input.MoveNext())
            {
                _inputEnded = true;
                break;
            }
            foreach (BufferedColumn? column in _columns)
                column?.Read(_count);
            _readId(ref _ids[_count]);
            _batches[_count] = _input.Batch;
            _outputs.Add();
        }
    }

    private int Place() => _position >= 0 ? _place
        : throw _mapper.Host.Process(new InvalidOperationException("A cursor has values only after MoveNext returned true, and until it returns false."));
}
