// The model's inputs of the buffered rows, and its outputs once somebody asks for one: the first getter of an output runs the network for
// the whole batch, and for that output only.
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Imaging;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class OutputBatch : IDisposable
{
    private readonly TransfusionConfig _config;
    private readonly ComputeOutputs _compute;
    private readonly Dictionary<InputColumn, (Func<RowPart?> Read, List<RowPart?> Values)> _inputs = [];
    private readonly Dictionary<OutputColumn, object?[]> _results = [];
    private int _count;

    /// <param name="row">The row or cursor that inputs are read from.</param>
    /// <param name="outputs">The outputs that may be asked for.</param>
    public OutputBatch(DataViewRow row, IEnumerable<OutputColumn> outputs, TransfusionConfig config, ComputeOutputs compute)
    {
        (_config, _compute) = (config, compute);
        foreach (InputColumn column in outputs.SelectMany(output => output.Inputs).Distinct())
            _inputs.Add(column, (PartReader.Create(row, column, config), []));
    }

    /// <summary>Takes in the current row.</summary>
    public void Add()
    {
        foreach ((Func<RowPart?> read, List<RowPart?> values) in _inputs.Values)
            values.Add(read());
        _count++;
    }

    /// <summary>Forgets all rows.</summary>
    public void Clear()
    {
        foreach ((_, List<RowPart?> values) in _inputs.Values)
        {
            foreach (RowPart? part in values)
                part?.Values?.Dispose();
            values.Clear();
        }
        foreach (Tensor values in _results.Values.SelectMany(results => results).OfType<Tensor>())
            values.Dispose();
        _results.Clear();
        _count = 0;
    }

    /// <summary>A getter of the type that the output's column has.</summary>
    public Delegate Getter(OutputColumn output, Func<int> row) => output.Kind switch
    {
        OutputKind.Text => (ValueGetter<ReadOnlyMemory<char>>)((ref ReadOnlyMemory<char> value) =>
            value = ((string?)Result(output, row())).AsMemory()),
        // Not disposed: ML.NET's own readers share one variable among rows, so an earlier row's image would die in the user's hands.
        OutputKind.Image => (ValueGetter<MLImage>)((ref MLImage value) =>
            value = Result(output, row()) is Tensor pixels ? ImageTensors.ToImage(pixels) : null!),
        _ => (ValueGetter<VBuffer<float>>)((ref VBuffer<float> value) => Copy(Result(output, row()) switch
        {
            TransfusionScore score => [score.LanguageLoss, score.DiffusionLoss, score.TokenCount],
            float[] probabilities => probabilities,
            Tensor values => values.data<float>().ToArray(),
            _ when output.Kind == OutputKind.Score => [float.NaN, float.NaN, 0],
            _ => [.. Enumerable.Repeat(float.NaN, output.Candidates?.Count ?? _config.Vector!.NumberOfValues)],
        }, ref value)),
    };

    public void Dispose() => Clear();

    private object? Result(OutputColumn output, int at)
    {
        if (_results.TryGetValue(output, out object?[]? results))
            return results[at];
        IReadOnlyList<RowPart>[] rows = [.. Enumerable.Range(0, _count).Select(row =>
            (IReadOnlyList<RowPart>)[.. output.Inputs.Select(input => _inputs[input].Values[row]).OfType<RowPart>()])];
        int[] present = [.. Enumerable.Range(0, _count).Where(row => rows[row].Count > 0)];
        object?[] computed = present.Length == 0 ? [] : _compute(output, [.. present.Select(row => rows[row])]);
        results = new object?[_count];
        for (int i = 0; i < present.Length; i++)
            results[present[i]] = computed[i];
        _results.Add(output, results);
        return results[at];
    }

    private static void Copy(float[] values, ref VBuffer<float> value)
    {
        VBufferEditor<float> editor = VBufferEditor.Create(ref value, values.Length);
        values.CopyTo(editor.Values);
        value = editor.Commit();
    }
}
