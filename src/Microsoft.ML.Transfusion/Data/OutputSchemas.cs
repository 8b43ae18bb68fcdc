// The output columns as ML.NET describes them: names, types and annotations, for data (DataViewSchema) and for pipelines (SchemaShape).
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using Microsoft.ML.Transfusion.Interop;

namespace Microsoft.ML.Transfusion.Data;

internal static class OutputSchemas
{
    /// <summary>Names of the score vector's elements.</summary>
    public static readonly IReadOnlyList<string> ScoreSlots =
        [nameof(TransfusionScore.LanguageLoss), nameof(TransfusionScore.DiffusionLoss), nameof(TransfusionScore.TokenCount)];

    private const string SlotNames = "SlotNames";                  // ML.NET's name for this annotation
    public const string GeneratedFrom = "GeneratedFrom";           // the input columns' names, separated by commas

    /// <summary>Names of the elements of a score; null: the output is none.</summary>
    public static IReadOnlyList<string>? SlotsOf(OutputColumn output) => output.Kind switch
    {
        OutputKind.Score => ScoreSlots,
        OutputKind.Rank => output.Candidates!,
        _ => null,
    };

    private static VectorDataViewType SlotNamesType(int count) => new(TextDataViewType.Instance, count);

    /// <summary>The input's columns, at their indices, and the outputs after them.</summary>
    public static DataViewSchema Append(DataViewSchema input, IReadOnlyList<OutputColumn> outputs, TransfusionConfig config)
    {
        var schema = new DataViewSchema.Builder();
        schema.AddColumns(input);
        foreach (OutputColumn output in outputs)
            schema.AddColumn(output.Name, TypeOf(output, config), Annotations(output));
        return schema.ToSchema();
    }

    /// <summary>The input's columns and the outputs; an output replaces an input column of its name.</summary>
    public static SchemaShape Append(SchemaShape input, IReadOnlyList<OutputColumn> outputs, TransfusionConfig config)
    {
        Dictionary<string, SchemaShape.Column> columns = new(StringComparer.Ordinal);
        foreach (SchemaShape.Column column in input)
            columns[column.Name] = column;
        foreach (OutputColumn output in outputs)
        {
            SchemaShape.Column from = MLNetInternals.Column(GeneratedFrom, TextDataViewType.Instance);
            // A shape tells vectors from single values, and says nothing of their size, which the data will decide.
            DataViewType type = output.Kind == OutputKind.Vector ? new VectorDataViewType(NumberDataViewType.Single, 1) : TypeOf(output, config);
            columns[output.Name] = SlotsOf(output) is { } slots
                ? MLNetInternals.Column(output.Name, type, from, MLNetInternals.Column(SlotNames, SlotNamesType(slots.Count)))
                : MLNetInternals.Column(output.Name, type, from);
        }
        return new SchemaShape(columns.Values);
    }

    private static DataViewType TypeOf(OutputColumn output, TransfusionConfig config) => output.Kind switch
    {
        OutputKind.Text => TextDataViewType.Instance,
        OutputKind.Image => new ImageDataViewType(config.Image.ImageHeight, config.Image.ImageWidth),
        OutputKind.Vector => new VectorDataViewType(NumberDataViewType.Single, config.Vector!.Shape.ToArray()),
        _ => new VectorDataViewType(NumberDataViewType.Single, SlotsOf(output)!.Count),
    };

    private static DataViewSchema.Annotations Annotations(OutputColumn output)
    {
        var annotations = new DataViewSchema.Annotations.Builder();
        string inputs = string.Join(",", output.Inputs.Select(input => input.Name));
        annotations.Add(GeneratedFrom, TextDataViewType.Instance, (ref ReadOnlyMemory<char> value) => value = inputs.AsMemory());
        if (SlotsOf(output) is { } slots)
            annotations.Add(SlotNames, SlotNamesType(slots.Count), (ref VBuffer<ReadOnlyMemory<char>> value) =>
                value = new VBuffer<ReadOnlyMemory<char>>(slots.Count, [.. slots.Select(name => name.AsMemory())]));
        return annotations.ToAnnotations();
    }
}
