// Everything that decides the network's shape and meaning; what config.json of a saved model holds.
namespace Microsoft.ML.Transfusion;

/// <summary>The configuration a model was trained with, saved inside it.</summary>
public sealed record TransfusionConfig
{
    /// <summary>Size of the transformer.</summary>
    public TransformerConfig Transformer { get; init; } = TransformerConfig.Tiny;

    /// <summary>The diffusion half of the recipe.</summary>
    public DiffusionConfig Diffusion { get; init; } = new();

    /// <summary>Size of pictures and patches.</summary>
    public ImageCodecConfig Image { get; init; } = new();
}
