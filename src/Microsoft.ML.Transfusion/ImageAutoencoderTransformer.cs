// A trained autoencoder as an ML.NET transformer.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Data;
using Microsoft.ML.Transfusion.Interop;
using Microsoft.ML.Transfusion.Serialization;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion;

/// <summary>Adds a column with what is left of pictures that become latents and pictures again, lazily. It shows what a model on such latents can draw at best. Safe for many threads.</summary>
/// <remarks>Disposing it disposes its autoencoder. PredictionEngine and TransformerChain dispose their transformers by default.</remarks>
public sealed class ImageAutoencoderTransformer : ITransformer, IDisposable
{
    private readonly IHost _host;
    private readonly ReconstructionConfig _config;

    internal ImageAutoencoderTransformer(IHostEnvironment environment, ImageAutoencoder autoencoder, ReconstructionConfig config)
    {
        _host = environment.Register(nameof(ImageAutoencoderTransformer));
        (Autoencoder, _config) = (autoencoder, config);
    }

    /// <summary>The autoencoder, for <see cref="TransfusionTrainer.Options.Autoencoder"/>, for folders, and for use without a pipeline. It lives as long as this transformer.</summary>
    public ImageAutoencoder Autoencoder { get; }

    /// <summary>Always true: every output row depends on its input row alone.</summary>
    public bool IsRowToRowMapper => true;

    /// <summary>The input's columns followed by the reconstructed one.</summary>
    /// <param name="inputSchema">The schema of the data to transform.</param>
    /// <exception cref="ArgumentOutOfRangeException">The image column is missing or has another type.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Bind(inputSchema).OutputSchema;

    /// <summary>Returns a view with the reconstructed column; nothing is computed before one of its values is read.</summary>
    /// <param name="input">The data; its pictures are fitted to the trained size.</param>
    /// <exception cref="ArgumentOutOfRangeException">The image column is missing or has another type.</exception>
    public IDataView Transform(IDataView input)
    {
        if (input is null)
            throw _host.Process(new ArgumentNullException(nameof(input)));
        return new GeneratedView(Bind(input.Schema), input);
    }

    /// <summary>Maps single rows, as PredictionEngine does.</summary>
    /// <param name="inputSchema">The schema of the rows.</param>
    /// <exception cref="ArgumentOutOfRangeException">The image column is missing or has another type.</exception>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => Bind(inputSchema);

    /// <inheritdoc/>
    public void Dispose() => Autoencoder.Dispose();

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        if (ctx is null)
            throw _host.Process(new ArgumentNullException(nameof(ctx)));
        Autoencoder.RequireAlive();
        MLNetInternals.Save(ctx, _config, writer => AutoencoderArchive.Write(writer, Autoencoder.Stored));
    }

    private RowMapper Bind(DataViewSchema inputSchema)
    {
        if (inputSchema is null)
            throw _host.Process(new ArgumentNullException(nameof(inputSchema)));
        Autoencoder.RequireAlive();
        return new RowMapper(_host, inputSchema, _config.Scoring, _config.Pictures, Reconstruct);
    }

    /// <summary>One picture at a time: what comes of it never depends on others beside it.</summary>
    private object?[] Reconstruct(OutputColumn output, IReadOnlyList<IReadOnlyList<RowPart>> rows)
    {
        Autoencoder.RequireAlive();
        using var scope = NewDisposeScope();
        return [.. rows.Select(row => Autoencoder.Decode(Autoencoder.Encode(row[0].Values!.unsqueeze(0)))[0].DetachFromDisposeScope())];
    }
}
