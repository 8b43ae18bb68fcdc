// Finds the columns that are evaluated or exported, before anything is read. Of default names a column may be missing, of others not.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class EvaluatedColumns(IExceptionContext context, DataViewSchema schema)
{
    /// <summary>A column of text, or of text vectors.</summary>
    public DataViewSchema.Column? Texts(string? name, string? defaultName = null) => Find(name, defaultName,
        type => type is TextDataViewType or VectorDataViewType { ItemType: TextDataViewType }, "text, or a vector of texts. Convert it with Conversion.ConvertType first");

    public DataViewSchema.Column? Text(string? name, string? defaultName = null) => Find(name, defaultName,
        type => type is TextDataViewType, "text. Convert it with Conversion.ConvertType first");

    public DataViewSchema.Column? Score(string? name, string? defaultName = null) => Find(name, defaultName,
        type => type is VectorDataViewType { Size: int size } vector && vector.ItemType == NumberDataViewType.Single && size == OutputSchemas.ScoreSlots.Count,
        $"the vector of {string.Join(", ", OutputSchemas.ScoreSlots)} that a trained transformer adds. Name that column, or null to leave losses out");

    public DataViewSchema.Column? Features(string? name) => Find(name, null,
        type => type is VectorDataViewType { Size: > 0 } vector && vector.ItemType == NumberDataViewType.Single, "a vector of Single of known size");

    public DataViewSchema.Column? Image(string? name) => Find(name, null,
        type => type is ImageDataViewType, "an image. Append LoadImages first, or GenerateImages for drawings");

    public DataViewSchema.Column? Id(string? name) => Find(name, null,
        type => type is TextDataViewType || type == NumberDataViewType.Int32 || type == NumberDataViewType.Int64,
        "text or whole numbers. Convert it with Conversion.ConvertType to Int64 first");

    public ArgumentOutOfRangeException Unfit(string message)
    {
        string parameter = "data";
        return context.Process(new ArgumentOutOfRangeException(parameter, message));
    }

    /// <summary>The view's columns, for messages.</summary>
    public string Names() => string.Join(", ", schema.Where(column => !column.IsHidden).Select(column => $"'{column.Name}'"));

    private DataViewSchema.Column? Find(string? name, string? defaultName, Func<DataViewType, bool> fits, string needed)
    {
        if (name is null)
            return null;
        if (schema.GetColumnOrNull(name) is not { } column)
            return name == defaultName ? null : throw Unfit($"Column '{name}' was not found. The data has {Names()}.");
        return fits(column.Type) ? column : throw Unfit($"Column '{name}' is {column.Type}; it must be {needed}.");
    }
}
