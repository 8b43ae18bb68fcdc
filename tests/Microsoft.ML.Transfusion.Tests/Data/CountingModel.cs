// A model whose answers say what it was asked, and how often.
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Data;

internal sealed class CountingModel
{
    private static readonly InputColumn[] Pair = [new("Caption", IsImage: false), new("Image", IsImage: true)];

    public List<(OutputKind Kind, int Rows)> Calls { get; } = [];

    public RowMapper Bind(MLContext ml, DataViewSchema schema, int batchSize = 4) => new(
        ((IHostEnvironment)ml).Register("test"), schema,
        new ScoringConfig(ScoringConfig.OutputsOf(Pair, "GeneratedText", "GeneratedImage", "GeneratedVector", "Score"), GenerationOptions.Fast, batchSize),
        new TransfusionConfig { Image = TinyTraining.Options.Image }, Compute);

    public IDataView Transform(MLContext ml, IDataView input, int batchSize = 4) => new GeneratedView(Bind(ml, input.Schema, batchSize), input);

    private object?[] Compute(OutputColumn output, IReadOnlyList<IReadOnlyList<RowPart>> rows)
    {
        lock (Calls)
            Calls.Add((output.Kind, rows.Count));
        return [.. rows.Select(row => Answer(output.Kind, row))];
    }

    private static float Sum(Tensor pixels)
    {
        using Tensor sum = pixels.sum();
        return sum.ToSingle();
    }

    private static object Answer(OutputKind kind, IReadOnlyList<RowPart> row) => kind switch
    {
        OutputKind.Text => $"sees {Sum(row[0].Values!)}",
        OutputKind.Image => full([3, 8, 8], row[0].Text!.Length / 10f).DetachFromDisposeScope(),
        _ => new TransfusionScore(row.Count, row[^1].Values is { } pixels ? Sum(pixels) : float.NaN, row[0].Text?.Length ?? 0),
    };
}
