// Finds the text, image and vector columns of a schema, and says what to do where one is missing or of another type. ML.NET asks twice: with a
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

    /// <summary>The column as text, image or vector, whichever it is.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is missing or none of them.</exception>
    public InputColumn Find(string name)
    {
        DataViewType type = TypeOf(name);
        return type is TextDataViewType or ImageDataViewType || IsVector(type) ? new InputColumn(name, type is ImageDataViewType, IsVector(type))
            : throw Mismatch($"Column '{name}' is {type}; Transfusion needs text, an image, or a vector of Single. Convert numbers with Conversion.ConvertType first.");
    }

    /// <summary>Dimensions of the vector columns among these, which are all alike; null: there is none.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Vectors have no fixed size, or different ones, or stand beside pictures.</exception>
    public IReadOnlyList<int>? VectorShape(IReadOnlyList<InputColumn> columns)
    {
        IReadOnlyList<int>? shape = null;
        foreach (InputColumn column in columns.Where(column => column.IsVector))
        {
            var type = (VectorDataViewType)_types[column.Name];
            if (!type.IsKnownSize)
                throw Mismatch($"Column '{column.Name}' holds vectors of any size; Transfusion needs one size for all. Declare it, with [VectorType(128)] for instance.");
            if (shape is not null && !type.Dimensions.SequenceEqual(shape))
                throw Mismatch($"Column '{column.Name}' holds vectors of {string.Join('×', type.Dimensions)}, another one of {string.Join('×', shape)}; all vectors of a document have one shape.");
            if (columns.FirstOrDefault(other => other.IsImage) is { } image)
                throw Mismatch($"Columns '{column.Name}' and '{image.Name}' are a vector and an image; a model learns text with one of them. Leave one out.");
            shape = type.Dimensions;
        }
        return shape;
    }

    /// <param name="shape">What vectors must be like; null: not checked.</param>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or of another type.</exception>
    public void Require(InputColumn column, IReadOnlyList<int>? shape = null)
    {
        DataViewType type = TypeOf(column.Name, column.IsImage ? " ML.NET's Cache and ShuffleRows drop image columns: use them before LoadImages." : "");
        if (column.IsImage && type is not ImageDataViewType)
            throw Mismatch($"Column '{column.Name}' is {type}; Transfusion needs an image. Append LoadImages first"
                + (type is TextDataViewType ? $", with '{column.Name}' as its input column if that holds paths." : "."));
        if (column.IsVector && (!IsVector(type) || (shape is not null && type is VectorDataViewType { IsKnownSize: true } vector && vector.Size != shape.Aggregate(1, (product, size) => product * size))))
            throw Mismatch($"Column '{column.Name}' is {type}; this model needs a vector of Single{(shape is null ? "" : $" of size {string.Join('×', shape)}")}, as it was trained on.");
        if (column.IsText && type is not TextDataViewType)
            throw Mismatch($"Column '{column.Name}' is {type}; Transfusion needs text. Convert it with Conversion.ConvertType first.");
    }

    /// <summary>The outputs whose inputs are all there, at least one.</summary>
    /// <param name="vector">The vectors of the model; null where it has pictures.</param>
    /// <exception cref="ArgumentOutOfRangeException">An input has another type, or no output has all of its inputs.</exception>
    public IReadOnlyList<OutputColumn> Available(IReadOnlyList<OutputColumn> outputs, VectorCodecConfig? vector)
    {
        List<OutputColumn> available = [.. outputs.Where(output => output.Inputs.All(input => Contains(input.Name)))];
        foreach (InputColumn input in available.SelectMany(output => output.Inputs))
            Require(input, vector?.Shape);
        if (available.Count > 0)
            return available;
        IEnumerable<string> needs = outputs.Where(output => output.Kind != OutputKind.Score || outputs.Count == 1)
            .Select(output => $"'{output.Name}' needs {string.Join(" and ", output.Inputs.Select(input => $"'{input.Name}'"))}");
        throw Mismatch($"No input column was found: {string.Join("; ", needs)}. The input has {Names()}. Rename one with CopyColumns, or use "
            + "Transforms.CaptionImages or Transforms.GenerateImages, which take column names.");
    }

    private DataViewType TypeOf(string name, string advice = "") => _types.TryGetValue(name, out DataViewType? type) ? type
        : throw Mismatch($"Column '{name}' was not found. The input has {Names()}.{advice}");

    private static bool IsVector(DataViewType type) => type is VectorDataViewType vector && vector.ItemType == NumberDataViewType.Single;

    private string Names() => _types.Count == 0 ? "no columns" : string.Join(", ", _types.Keys.Select(name => $"'{name}'"));

    // The kind of exception, and the parameter's name, that every ML.NET component throws where a schema does not fit.
    private ArgumentOutOfRangeException Mismatch(string message)
    {
        string parameter = "inputSchema";
        return _context.Process(new ArgumentOutOfRangeException(parameter, message));
    }
}
