// Everything that decides the network's shape and meaning; what config.json of a saved model holds.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;

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

    /// <summary>The latents that take the place of pixels, where an autoencoder makes them; null, the default, where the network sees pixels.</summary>
    public LatentConfig? Latents { get; init; }

    /// <summary>The vectors that take the place of pictures; null, the default, where there are pictures.</summary>
    public VectorCodecConfig? Vector { get; init; }

    /// <summary>What the network sees of a picture or vector.</summary>
    internal PatchGrid Grid
    {
        get
        {
            if (Latents is { NumberOfCodes: not null, DownsamplingFactor: var place })
                return new PatchGrid(1, Image.ImageHeight / place, Image.ImageWidth / place, 1, 1);
            int channels = Latents?.NumberOfChannels ?? Codecs.PixelCodec.Channels, factor = Latents?.DownsamplingFactor ?? 1;
            return Vector is { } vector
                ? new PatchGrid(vector.NumberOfChannels, 1, vector.Length, 1, vector.PatchLength)
                : new PatchGrid(channels, Image.ImageHeight / factor, Image.ImageWidth / factor, Image.PatchSize, Image.PatchSize);
        }
    }

    /// <summary>Tokens that stand for one picture; 0 where pictures are continuous.</summary>
    internal int CodesPerImage => NumberOfCodes == 0 ? 0 : Grid.PatchCount;

    /// <summary>Codes that follow the text's tokens in the network's vocabulary.</summary>
    internal int NumberOfCodes => Latents?.NumberOfCodes ?? 0;

    /// <summary>What the positions of an image are.</summary>
    internal ImagePositionKind ImagePositions => NumberOfCodes > 0 ? ImagePositionKind.Codes : Transformer.CausalImages ? ImagePositionKind.CausalPatches : ImagePositionKind.Patches;

    /// <summary>The U-Net that patches pass; null where they pass linear layers alone, as those of vectors always do.</summary>
    internal UNetPatchShape? UNet => Vector is null && NumberOfCodes == 0 && Image.PatchEncoding == PatchEncoding.UNet
        ? UNetPatchShape.Of(Grid, Image.UNetPlaceSize, Image.UNetChannels, Image.UNetLayers, Transformer.HiddenSize)
        : null;

    /// <summary>Latents lie within ± this; ∞ where nothing bounds them.</summary>
    internal double SampleBound => Vector is null && Latents is null ? 1 : double.PositiveInfinity;
}
