// The task catalog: what ml.Generation offers.
using System.Diagnostics.CodeAnalysis;
using Microsoft.ML.Transfusion.Data;
using Microsoft.ML.Transfusion.Serialization;

namespace Microsoft.ML.Transfusion;

/// <summary>Generation of text and images: <c>mlContext.Generation</c>.</summary>
public sealed partial class GenerationCatalog
{
    private readonly MLContext _context;

    /// <summary>The same as <c>mlContext.Generation</c>, for compilers older than C# 14.</summary>
    /// <param name="context">The context that everything made here belongs to.</param>
    public GenerationCatalog(MLContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _context = context;
        Trainers = new GenerationTrainers(context);
    }

    /// <summary>The trainers.</summary>
    public GenerationTrainers Trainers { get; }

    /// <summary>Reads a folder of captioned pictures as a view with the text columns ImagePath (full paths) and Caption; docs/data-formats.md lists the conventions. Pictures are read later, by <c>Transforms.LoadImages</c>.</summary>
    /// <param name="folder">A folder with captions.tsv, captions.csv, metadata.jsonl or metadata.csv, with text files beside pictures, or with class folders.</param>
    /// <param name="captionTemplate">The caption of a picture in a class folder; <c>{class}</c> stands for the folder's name.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">A caption names a picture that does not exist.</exception>
    /// <exception cref="FormatException">The folder follows none of the conventions, or a file in it breaks its own.</exception>
    public IDataView LoadCaptionedImages(string folder, string captionTemplate = ClassFolderCaptions.DefaultTemplate) =>
        CaptionedImageFolder.Load(_context, folder, captionTemplate);

    /// <summary>
    /// Saves a pipeline or transformer as <c>mlContext.Model.Save</c> does, but an existing file is replaced only when the new one is complete:
    /// a full disk or a failing write leaves it as it was.
    /// </summary>
    /// <param name="model">Any ML.NET transformer.</param>
    /// <param name="inputSchema">The schema of the data it was fitted on; null to leave it out.</param>
    /// <param name="path">The file. <c>mlContext.Model.Load</c> reads it.</param>
    public void SaveModel(ITransformer model, DataViewSchema? inputSchema, string path)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(path);
        AtomicFile.Write(path, stream => _context.Model.Save(model, inputSchema, stream));
    }

    /// <summary>The Transfusion model inside a transformer or chain, such as <c>mlContext.Model.Load</c> returns; it stays the transformer's.</summary>
    /// <param name="transformer">A <see cref="TransfusionTransformer"/>, or a chain with exactly one.</param>
    /// <exception cref="ArgumentException">There is none, or more than one.</exception>
    [SuppressMessage("Performance", "CA1822", Justification = "A catalog's methods are called on the catalog.")]
    public TransfusionModel GetModel(ITransformer transformer)
    {
        ArgumentNullException.ThrowIfNull(transformer);
        List<TransfusionTransformer> found = [.. Flatten(transformer).OfType<TransfusionTransformer>()];
        return found.Count == 1 ? found[0].Model
            : throw new ArgumentException($"The pipeline holds {found.Count} Transfusion transformers, not one.", nameof(transformer));
    }

    private static IEnumerable<ITransformer> Flatten(ITransformer transformer) =>
        transformer is IEnumerable<ITransformer> chain ? chain.SelectMany(Flatten) : [transformer];
}
