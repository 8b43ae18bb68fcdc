// What a picture is to the network.
namespace Microsoft.ML.Transfusion;

/// <summary>How patches come into the transformer and out of it.</summary>
public enum PatchEncoding
{
    /// <summary>One linear layer in and one out (Transfusion §3): almost no parameters of their own.</summary>
    Linear,

    /// <summary>The two halves of a U-Net (Transfusion §3, §4.3.3) beside those linear layers: its convolutions see details inside large patches, so that few patches an image are enough.</summary>
    UNet,
}

/// <summary>The size pictures are trained and drawn at, and the patches they are cut into. Immutable.</summary>
public sealed record ImageCodecConfig
{
    /// <summary>Height in pixels; 32 by default. A multiple of <see cref="PatchSize"/>, times the downsampling factor where an autoencoder makes latents.</summary>
    public int ImageHeight { get; init; } = 32;

    /// <summary>Width in pixels; 32 by default. A multiple of <see cref="PatchSize"/>, times the downsampling factor where an autoencoder makes latents.</summary>
    public int ImageWidth { get; init; } = 32;

    /// <summary>Side of a square patch, in pixels or in places of the latents; one patch is one position of the sequence. 4 by default: 64 patches in a 32×32 picture.</summary>
    public int PatchSize { get; init; } = 4;

    /// <summary>How patches come into the transformer and out of it; <see cref="PatchEncoding.Linear"/> by default. With <see cref="PatchEncoding.UNet"/>, <see cref="PatchSize"/> is a power of two.</summary>
    public PatchEncoding PatchEncoding { get; init; } = PatchEncoding.Linear;

    /// <summary>Pixels, or places of the latents, along one side of what the U-Net's convolutions take as one place: 1, 2 or another power of two up to <see cref="PatchSize"/>. 1, the default, is the paper's; 2 takes about a quarter of the time. Only with <see cref="PatchEncoding.UNet"/>.</summary>
    public int UNetPlaceSize { get; init; } = 1;

    /// <summary>Channels of the U-Net at its first resolution, at least 1; twice as many at half of it, and four times from a quarter on. 32 by default. Only with <see cref="PatchEncoding.UNet"/>.</summary>
    public int UNetChannels { get; init; } = 32;

    /// <summary>Residual blocks of the U-Net at each resolution on its way down and again on its way up, at least 1. 1 by default. Only with <see cref="PatchEncoding.UNet"/>.</summary>
    public int UNetLayers { get; init; } = 1;
}
