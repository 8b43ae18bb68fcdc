// Where users meet the library: extensions of MLContext and of its transforms, in ML.NET's own namespace so that no using is needed.
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion;
using Microsoft.ML.Transfusion.Data;
using Microsoft.ML.Transfusion.Interop;

namespace Microsoft.ML;

/// <summary>Extensions of ML.NET's catalogs.</summary>
public static class TransfusionCatalog
{
    extension(MLContext mlContext)
    {
        /// <summary>Generation of text and images. With a compiler older than C# 14: <c>new GenerationCatalog(mlContext)</c>.</summary>
        public GenerationCatalog Generation => new(mlContext);
    }

    /// <summary>Captions the pictures of a column with a trained model.</summary>
    /// <param name="catalog">The transforms catalog.</param>
    /// <param name="outputColumnName">The text column to add; empty where the picture is missing.</param>
    /// <param name="model">The model. It stays its owner's and must outlive the transformer.</param>
    /// <param name="inputColumnName">The image column; pictures of any size.</param>
    /// <param name="options">How text is chosen; <see cref="GenerationOptions.Fast"/> if null.</param>
    /// <param name="batchSize">Rows that are read ahead and go through the network together, at least 1.</param>
    public static TransfusionScoringEstimator CaptionImages(this TransformsCatalog catalog, string outputColumnName, TransfusionModel model,
        string inputColumnName = "Image", GenerationOptions? options = null, int batchSize = ScoringConfig.DefaultBatchSize) =>
        Score(catalog, outputColumnName, OutputKind.Text, model, new InputColumn(inputColumnName, IsImage: true), options, batchSize);

    /// <inheritdoc cref="CaptionImages(TransformsCatalog, string, TransfusionModel, string, GenerationOptions?, int)"/>
    /// <param name="model">The transformer whose model is used. It must outlive the new transformer.</param>
    public static TransfusionScoringEstimator CaptionImages(this TransformsCatalog catalog, string outputColumnName, TransfusionTransformer model,
        string inputColumnName = "Image", GenerationOptions? options = null, int batchSize = ScoringConfig.DefaultBatchSize) =>
        catalog.CaptionImages(outputColumnName, ModelOf(model), inputColumnName, options, batchSize);

    /// <summary>Draws the texts of a column with a trained model.</summary>
    /// <param name="catalog">The transforms catalog.</param>
    /// <param name="outputColumnName">The image column to add, of the size the model was trained at; missing (null) where the text is missing or empty.</param>
    /// <param name="model">The model. It stays its owner's and must outlive the transformer.</param>
    /// <param name="inputColumnName">The text column.</param>
    /// <param name="options">Sampler, steps, guidance and seed; <see cref="GenerationOptions.Fast"/> if null.</param>
    /// <param name="batchSize">Rows that are read ahead and go through the network together, at least 1.</param>
    public static TransfusionScoringEstimator GenerateImages(this TransformsCatalog catalog, string outputColumnName, TransfusionModel model,
        string inputColumnName = "Caption", GenerationOptions? options = null, int batchSize = ScoringConfig.DefaultBatchSize) =>
        Score(catalog, outputColumnName, OutputKind.Image, model, new InputColumn(inputColumnName, IsImage: false), options, batchSize);

    /// <inheritdoc cref="GenerateImages(TransformsCatalog, string, TransfusionModel, string, GenerationOptions?, int)"/>
    /// <param name="model">The transformer whose model is used. It must outlive the new transformer.</param>
    public static TransfusionScoringEstimator GenerateImages(this TransformsCatalog catalog, string outputColumnName, TransfusionTransformer model,
        string inputColumnName = "Caption", GenerationOptions? options = null, int batchSize = ScoringConfig.DefaultBatchSize) =>
        catalog.GenerateImages(outputColumnName, ModelOf(model), inputColumnName, options, batchSize);

    /// <summary>Classifies the pictures of a column by how likely given captions are.</summary>
    /// <param name="catalog">The transforms catalog.</param>
    /// <param name="outputColumnName">The column to add: a vector of <see cref="float"/> with the probability of each candidate among them, which sum to 1, named by the annotation SlotNames; NaN where the picture is missing.</param>
    /// <param name="model">The model. It stays its owner's and must outlive the transformer.</param>
    /// <param name="candidates">The captions, at least one.</param>
    /// <param name="inputColumnName">The image column; pictures of any size.</param>
    /// <param name="batchSize">Rows that are read ahead and go through the network together, at least 1.</param>
    public static TransfusionScoringEstimator RankCaptions(this TransformsCatalog catalog, string outputColumnName, TransfusionModel model, IReadOnlyList<string> candidates,
        string inputColumnName = "Image", int batchSize = ScoringConfig.DefaultBatchSize)
    {
        ArgumentNullException.ThrowIfNull(candidates);
        if (candidates.Count == 0 || candidates.Contains(null))
            throw new ArgumentException("Ranking needs at least one candidate, and none that is null.", nameof(candidates));
        return Score(catalog, outputColumnName, OutputKind.Rank, model, new InputColumn(inputColumnName, IsImage: true), null, batchSize, [.. candidates]);
    }

    /// <inheritdoc cref="RankCaptions(TransformsCatalog, string, TransfusionModel, IReadOnlyList{string}, string, int)"/>
    /// <param name="model">The transformer whose model is used. It must outlive the new transformer.</param>
    public static TransfusionScoringEstimator RankCaptions(this TransformsCatalog catalog, string outputColumnName, TransfusionTransformer model, IReadOnlyList<string> candidates,
        string inputColumnName = "Image", int batchSize = ScoringConfig.DefaultBatchSize) =>
        catalog.RankCaptions(outputColumnName, ModelOf(model), candidates, inputColumnName, batchSize);

    private static TransfusionScoringEstimator Score(TransformsCatalog catalog, string outputColumnName, OutputKind kind, TransfusionModel model,
        InputColumn input, GenerationOptions? options, int batchSize, IReadOnlyList<string>? candidates = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrWhiteSpace(outputColumnName);
        ArgumentException.ThrowIfNullOrWhiteSpace(input.Name, "inputColumnName");
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        model.RequirePictures();
        IHostEnvironment environment = MLNetInternals.EnvironmentOf(catalog);
        if (options is not null)
            new OptionChecks(environment).Generation(options, nameof(options), model.Config.Diffusion);
        var scoring = new ScoringConfig([new OutputColumn(outputColumnName, kind, [input], candidates)], options ?? GenerationOptions.Fast, batchSize);
        return new TransfusionScoringEstimator(environment, model, scoring);
    }

    private static TransfusionModel ModelOf(TransfusionTransformer transformer)
    {
        ArgumentNullException.ThrowIfNull(transformer);
        return transformer.Model;
    }
}
