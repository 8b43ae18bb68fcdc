// The size of an autoencoder that is trained.
namespace Microsoft.ML.Transfusion;

/// <summary>The size of an autoencoder and the kind of its latents, in diffusers' terms. Immutable. The defaults are small, for pictures of 32×32 on a CPU: 4 times fewer values than pixels.</summary>
public sealed record AutoencoderConfig
{
    /// <summary>Channels of the convolutions at each resolution, from the picture's down; every further one halves it, so that n of them make latents of 1/2ⁿ⁻¹ of each side. [32, 64] by default, a downsampling factor of 2; Stable Diffusion's has [128, 256, 512, 512].</summary>
    public IReadOnlyList<int> BlockChannels { get; init; } = [32, 64];

    /// <summary>Residual blocks at each resolution on the way down, at least 1, and one more on the way up; 1 by default (Stable Diffusion's: 2).</summary>
    public int LayersPerBlock { get; init; } = 1;

    /// <summary>Values at each place of the latents, at least 1; 3 by default (the paper: 8 at a factor of 8).</summary>
    public int LatentChannels { get; init; } = 3;

    /// <summary>Groups of the group norms, a divisor of every number in <see cref="BlockChannels"/>; 8 by default (Stable Diffusion's: 32).</summary>
    public int NumberOfGroups { get; init; } = 8;

    /// <summary>Whether places attend to each other at the lowest resolution. Off by default: at 32×32 it costs much and changes little.</summary>
    public bool MiddleAttention { get; init; }

    /// <summary>Vectors in the codebook of a VQ autoencoder, at least 2. Null, the default, makes a KL autoencoder.</summary>
    public int? NumberOfCodes { get; init; }

    internal int Factor => 1 << (BlockChannels.Count - 1);
}
