// A ready model as a pipeline step: CaptionImages and GenerateImages are this, with one output each.
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Data;

namespace Microsoft.ML.Transfusion;

/// <summary>Appends a trained model to a pipeline under column names of one's own. <see cref="Fit"/> trains nothing.</summary>
/// <remarks>The model stays its owner's. Saved, every such transformer carries a copy of the model; loaded, it owns that copy.</remarks>
public sealed class TransfusionScoringEstimator : IEstimator<TransfusionTransformer>
{
    private readonly IHost _host;
    private readonly TransfusionModel _model;
    private readonly ScoringConfig _scoring;

    internal TransfusionScoringEstimator(IHostEnvironment environment, TransfusionModel model, ScoringConfig scoring)
    {
        _host = environment.Register(nameof(TransfusionScoringEstimator));
        (_model, _scoring) = (model, scoring);
    }

    /// <summary>Checks the schema and returns the transformer.</summary>
    /// <param name="input">Data of the schema that will be transformed.</param>
    /// <exception cref="ArgumentOutOfRangeException">The input column is missing or has another type.</exception>
    public TransfusionTransformer Fit(IDataView input)
    {
        if (input is null)
            throw _host.Process(new ArgumentNullException(nameof(input)));
        var transformer = new TransfusionTransformer(_host, _model, _scoring, ownsModel: false);
        transformer.GetOutputSchema(input.Schema);
        return transformer;
    }

    /// <summary>The input's columns and the generated one.</summary>
    /// <param name="inputSchema">The shape of the input.</param>
    /// <exception cref="ArgumentOutOfRangeException">The input column is missing or has another type.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        if (inputSchema is null)
            throw _host.Process(new ArgumentNullException(nameof(inputSchema)));
        return OutputSchemas.Append(inputSchema, new ColumnTypes(_host, inputSchema).Available(_scoring.Outputs, _model.Config.Vector), _model.Config);
    }
}
