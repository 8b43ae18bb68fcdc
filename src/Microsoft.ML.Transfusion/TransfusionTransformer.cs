// A trained model as an ML.NET transformer. It only binds columns: Data/ reads rows, TransfusionModel does the work.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Data;
using Microsoft.ML.Transfusion.Interop;

namespace Microsoft.ML.Transfusion;

/// <summary>
/// Adds generated columns to a view, lazily: a text column where the input has the image column, an image column where it has the text
/// column, and a score vector where it has all columns of a document. docs/columns.md is the contract. Safe for many threads.
/// </summary>
/// <remarks>
/// Disposing a transformer that was trained or loaded from a file disposes its model; one made by <c>CaptionImages</c> or
/// <c>GenerateImages</c> leaves the model to its owner. PredictionEngine and TransformerChain dispose their transformers by default.
/// </remarks>
public sealed class TransfusionTransformer : ITransformer, IDisposable
{
    private readonly IHost _host;
    private readonly ScoringConfig _scoring;
    private readonly bool _ownsModel;
    private bool _disposed;

    internal TransfusionTransformer(IHostEnvironment environment, TransfusionModel model, ScoringConfig scoring, bool ownsModel)
    {
        _host = environment.Register(nameof(TransfusionTransformer));
        (Model, _scoring, _ownsModel) = (model, scoring, ownsModel);
    }

    /// <summary>The model, for use without a pipeline. It lives as long as this transformer, unless that was made from it.</summary>
    public TransfusionModel Model { get; }

    /// <summary>Always true: every output row depends on its input row alone.</summary>
    public bool IsRowToRowMapper => true;

    /// <summary>The input's columns followed by the generated ones.</summary>
    /// <param name="inputSchema">The schema of the data to transform.</param>
    /// <exception cref="ArgumentOutOfRangeException">No output has its input columns, or one of them has another type.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Bind(inputSchema).OutputSchema;

    /// <summary>Returns a view with the generated columns; nothing is computed before a generated value is read.</summary>
    /// <param name="input">The data; its cursors may be read in parallel.</param>
    /// <exception cref="ArgumentOutOfRangeException">No output has its input columns, or one of them has another type.</exception>
    public IDataView Transform(IDataView input)
    {
        if (input is null)
            throw _host.Process(new ArgumentNullException(nameof(input)));
        return new GeneratedView(Bind(input.Schema), input);
    }

    /// <summary>Maps single rows, as PredictionEngine does.</summary>
    /// <param name="inputSchema">The schema of the rows.</param>
    /// <exception cref="ArgumentOutOfRangeException">No output has its input columns, or one of them has another type.</exception>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => Bind(inputSchema);

    /// <summary>Disposes the model if this transformer owns it. Views made before can no longer compute.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        if (_ownsModel)
            Model.Dispose();
    }

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        if (ctx is null)
            throw _host.Process(new ArgumentNullException(nameof(ctx)));
        RequireAlive();
        MLNetInternals.Save(ctx, _scoring, Model);
    }

    private RowMapper Bind(DataViewSchema inputSchema)
    {
        if (inputSchema is null)
            throw _host.Process(new ArgumentNullException(nameof(inputSchema)));
        RequireAlive();
        var outputs = new ModelOutputs(Model, _scoring.Generation);
        return new RowMapper(_host, inputSchema, _scoring, Model.Config, outputs.Compute);
    }

    private void RequireAlive()
    {
        if (_disposed)
            throw _host.Process(new ObjectDisposedException(nameof(TransfusionTransformer)));
    }
}
