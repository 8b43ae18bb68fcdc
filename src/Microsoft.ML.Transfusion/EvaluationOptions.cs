// What mlContext.Generation.Evaluate compares, beyond the columns that the trained transformer adds under its default names.
using Microsoft.ML.Data;

namespace Microsoft.ML.Transfusion;

/// <summary>
/// Options of <see cref="GenerationCatalog.Evaluate(IDataView, EvaluationOptions)"/>. Immutable. A column under its default name may be
/// missing, which leaves its metrics null; under any other name it must be there. Null leaves it out.
/// </summary>
public sealed record EvaluationOptions
{
    internal const string DefaultLabel = "Caption", DefaultText = "GeneratedText", DefaultScore = "Score", DefaultImage = "Image", DefaultDrawing = "GeneratedImage";

    /// <summary>The captions that people wrote: text, or a vector of texts, several for one picture; <c>Caption</c> by default. Rows without any are left out of caption metrics.</summary>
    public string? LabelColumnName { get; init; } = DefaultLabel;

    /// <summary>The captions to judge, text; <c>GeneratedText</c> by default.</summary>
    public string? GeneratedTextColumnName { get; init; } = DefaultText;

    /// <summary>The losses, a vector of <see cref="TransfusionScore"/>'s three values; <c>Score</c> by default.</summary>
    public string? ScoreColumnName { get; init; } = DefaultScore;

    /// <summary>A text column, such as ImagePath, that names the picture of a row: the captions of all its rows are its references, and its first row's generated text is judged. Null, the default, if every row is a picture.</summary>
    public string? RowGroupColumnName { get; init; }

    /// <summary>The table that CIDEr weighs words by; null, the default, counts it over the references at hand, as coco-caption does.</summary>
    public CaptionDocumentFrequencies? DocumentFrequencies { get; init; }

    /// <summary>Turns a picture into features for the Fréchet distance, which is computed only if this or <see cref="GeneratedFeaturesColumnName"/> is set. The picture is borrowed until it returns.</summary>
    public Func<MLImage, float[]>? ImageFeatures { get; init; }

    /// <summary>The real pictures for <see cref="ImageFeatures"/>; <c>Image</c> by default.</summary>
    public string ImageColumnName { get; init; } = DefaultImage;

    /// <summary>The drawn pictures for <see cref="ImageFeatures"/>; <c>GeneratedImage</c> by default.</summary>
    public string GeneratedImageColumnName { get; init; } = DefaultDrawing;

    /// <summary>Features of the real pictures, a vector of Single, where no <see cref="ImageFeatures"/> makes them; null by default.</summary>
    public string? FeaturesColumnName { get; init; }

    /// <summary>Features of the drawn pictures, a vector of Single, where no <see cref="ImageFeatures"/> makes them; null by default.</summary>
    public string? GeneratedFeaturesColumnName { get; init; }

    /// <summary>Statistics of real pictures' features, such as a published file's, which then are not read from the view; null by default.</summary>
    public FeatureStatistics? ReferenceStatistics { get; init; }
}
