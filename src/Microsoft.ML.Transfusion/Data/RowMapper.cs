// A transformer bound to one input schema: which outputs there are, what they are made from, and single rows for PredictionEngine.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Interop;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class RowMapper : IRowToRowMapper
{
    private readonly IReadOnlyList<OutputColumn> _outputs;
    private readonly TransfusionConfig _config;
    private readonly ComputeOutputs _compute;

    public RowMapper(IHost host, DataViewSchema input, ScoringConfig scoring, TransfusionConfig config, ComputeOutputs compute)
    {
        (Host, InputSchema, BatchSize, _config, _compute) = (host, input, scoring.BatchSize, config, compute);
        _outputs = new ColumnTypes(host, input).Available(scoring.Outputs, config.Vector);
        OutputSchema = OutputSchemas.Append(input, _outputs, config);
    }

    public IHost Host { get; }

    public int BatchSize { get; }

    public DataViewSchema InputSchema { get; }

    public DataViewSchema OutputSchema { get; }

    /// <summary>The output column at an index of <see cref="OutputSchema"/> past the input's.</summary>
    public OutputColumn OutputAt(int index) => _outputs[index - InputSchema.Count];

    public bool[] Active(IEnumerable<DataViewSchema.Column> columns)
    {
        var active = new bool[OutputSchema.Count];
        foreach (DataViewSchema.Column column in columns)
            active[column.Index] = true;
        return active;
    }

    public List<OutputColumn> ActiveOutputs(bool[] active) => [.. _outputs.Where((_, at) => active[InputSchema.Count + at])];

    public OutputBatch CreateBatch(DataViewRow input, List<OutputColumn> outputs) => new(input, outputs, _config, _compute);

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) => InputsFor(Active(dependingColumns));

    /// <summary>The input's columns that active columns pass on or are made from; no others are read.</summary>
    public IReadOnlyList<DataViewSchema.Column> InputsFor(bool[] active)
    {
        HashSet<int> needed = [.. ActiveOutputs(active).SelectMany(output => output.Inputs).Select(input => InputSchema[input.Name].Index)];
        return [.. InputSchema.Where(column => active[column.Index] || needed.Contains(column.Index))];
    }

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns)
    {
        if (input.Schema != InputSchema)
            throw Host.Process(new ArgumentException("The row has another schema than the one this mapper was made for.", nameof(input)));
        return new MappedRow(this, input, Active(activeColumns));
    }

    public void RequireActive(DataViewSchema.Column column, bool[] active)
    {
        if (!active[column.Index])
            throw Host.Process(new InvalidOperationException($"Column '{column.Name}' is not active. Name it when asking for the cursor."));
    }

    public ValueGetter<TValue> As<TValue>(Delegate getter, DataViewSchema.Column column) => getter as ValueGetter<TValue>
        ?? throw Host.Process(new InvalidOperationException($"Column '{column.Name}' is {column.Type.RawType}, not {typeof(TValue)}."));

    public void CheckAlive() => MLNetInternals.CheckAlive(Host);

    /// <summary>One row: a batch of one, computed anew when the input row has moved.</summary>
    private sealed class MappedRow : DataViewRow
    {
        private readonly RowMapper _mapper;
        private readonly DataViewRow _input;
        private readonly bool[] _active;
        private readonly OutputBatch _outputs;
        private long? _readAt;

        public MappedRow(RowMapper mapper, DataViewRow input, bool[] active)
        {
            (_mapper, _input, _active) = (mapper, input, active);
            _outputs = mapper.CreateBatch(input, mapper.ActiveOutputs(active));
        }

        public override DataViewSchema Schema => _mapper.OutputSchema;

        public override long Position => _input.Position;

        public override long Batch => _input.Batch;

        public override ValueGetter<DataViewRowId> GetIdGetter() => _input.GetIdGetter();

        public override bool IsColumnActive(DataViewSchema.Column column) => _active[column.Index];

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            _mapper.RequireActive(column, _active);
            return column.Index < _mapper.InputSchema.Count
                ? _input.GetGetter<TValue>(_mapper.InputSchema[column.Index])
                : _mapper.As<TValue>(_outputs.Getter(_mapper.OutputAt(column.Index), ReadRow), column);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _outputs.Dispose();
                _input.Dispose();
            }
            base.Dispose(disposing);
        }

        private int ReadRow()
        {
            if (_readAt != _input.Position)
            {
                _outputs.Clear();
                _outputs.Add();
                _readAt = _input.Position;
            }
            return 0;
        }
    }
}
