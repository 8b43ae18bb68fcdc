// Finds the text and image columns of a schema, and says what to do where one is missing or of another type. ML.NET asks twice: with a
// SchemaShape while a pipeline is put together, with a DataViewSchema when data comes.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class ColumnTypes
{
    private readonly IExceptionContext _context;
    private readonly Dictionary<string, DataViewType> _types = new(StringComparer.Ordinal);

    public ColumnTypes(IExceptionContext context, DataViewSchema schema)
    {
        _context = context;
        foreach (DataViewSchema.Column column in schema)
            _types[column.Name] = column.Type;                     // a later column hides an earlier one of its name
    }

    public ColumnTypes(IExceptionContext context, SchemaShape shape)
    {
        _context = context;
        foreach (SchemaShape.Column column in shape)
            _types[column.Name] = column is { Kind: not SchemaShape.Column.VectorKind.Scalar, ItemType: PrimitiveDataViewType item }
                ? new VectorDataViewType(item) : column.ItemType;
    }

    public bool Contains(string name) => _types.ContainsKey(name);

    /// <summary>The column as text or image, whichever it is.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is missing or neither.</exception>
    public InputColumn Find(string name)
    {
        DataViewType type = TypeOf(name);
        return type is TextDataViewType or ImageDataViewType ? new InputColumn(name, type is ImageDataViewType)
            : throw Mismatch($"Column '{name}' is {type}; Transfusion needs text or an image.");
    }

    /// <exception cref="ArgumentOutOfRangeException">The column is missing or of another type.</exception>
    public void Require(InputColumn column)
    {
        DataViewType type = TypeOf(column.Name);
        if (column.IsImage && type is not ImageDataViewType)
            throw Mismatch($"Column '{column.Name}' is {type}; Transfusion needs an image. Append LoadImages first"
                + (type is TextDataViewType ? $", with '{column.Name}' as its input column if that holds paths." : "."));
        if (!column.IsImage && type is not TextDataViewType)
            throw Mismatch($"Column '{column.Name}' is {type}; Transfusion needs text. Convert it with Conversion.ConvertType first.");
    }

    /// <summary>The outputs whose inputs are all there, at least one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An input has another type, or no output has all of its inputs.</exception>
    public IReadOnlyList<OutputColumn> Available(IReadOnlyList<OutputColumn> outputs)
    {
        List<OutputColumn> available = [.. outputs.Where(output => output.Inputs.All(input => Contains(input.Name)))];
        foreach (InputColumn input in available.SelectMany(output => output.Inputs))
            Require(input);
        if (available.Count > 0)
            return available;
        IEnumerable<string> needs = outputs.Where(output => output.Kind != OutputKind.Score || outputs.Count == 1)
            .Select(output => $"'{output.Name}' needs {string.Join(" and ", output.Inputs.Select(input => $"'{input.Name}'"))}");
        throw Mismatch($"No input column was found: {string.Join("; ", needs)}. The input has {Names()}. Rename one with CopyColumns, or use "
            + "Transforms.CaptionImages or Transforms.GenerateImages, which take column names.");
    }

    private DataViewType TypeOf(string name) => _types.TryGetValue(name, out DataViewType? type) ? type
        : throw Mismatch($"Column '{name}' was not found. The input has {Names()}.");

    private string Names() => _types.Count == 0 ? "no columns" : string.Join(", ", _types.Keys.Select(name => $"'{name}'"));

    // The kind of exception, and the parameter's name, that every ML.NET component throws where a schema does not fit.
    private ArgumentOutOfRangeException Mismatch(string message)
    {
        string parameter = "inputSchema";
        return _context.Process(new ArgumentOutOfRangeException(parameter, message));
    }
}
