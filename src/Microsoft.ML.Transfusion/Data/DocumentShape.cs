// What a document consists of, as far as the schema tells.
namespace Microsoft.ML.Transfusion.Data;

/// <param name="Columns">In the order of a document's parts.</param>
/// <param name="Vector">What the vectors among them are like, before they are measured; null: there are none.</param>
internal sealed record DocumentShape(IReadOnlyList<InputColumn> Columns, VectorCodecConfig? Vector);
