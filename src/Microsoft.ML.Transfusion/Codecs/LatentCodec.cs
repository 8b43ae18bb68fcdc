// Between the values of a column, pixels or vectors, and the latents that the network is trained on.
using Microsoft.ML.Transfusion.Modeling;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Codecs;

internal abstract class LatentCodec
{
    /// <param name="config">With the statistics of what was read, where it is to encode or decode.</param>
    /// <param name="autoencoder">Where the configuration has latents.</param>
    public static LatentCodec Create(TransfusionConfig config, AutoencoderNetwork? autoencoder) => config switch
    {
        { Vector: { } vector } => new VectorCodec(vector),
        { Latents.NumberOfCodes: not null } => new CodeCodec((VqAutoencoderNetwork)autoencoder!),
        { Latents: { } latents } => new AutoencoderCodec(autoencoder!, latents),
        _ => new PixelCodec(),
    };

    /// <summary>Whether what is stored of values is exact numbers of its own, such as latents; pixels are stored as they were read.</summary>
    public virtual bool StoresExactly => true;

    /// <summary>Values to what is measured and stored of them, [C, H, W].</summary>
    public abstract Tensor Compress(Tensor values);

    /// <summary>What was stored to latents.</summary>
    public abstract Tensor Normalize(Tensor compressed);

    /// <summary>Latents [C, H, W] to values: pixels [3, H, W], clamped to [−1, 1], or a vector's values.</summary>
    public abstract Tensor Decode(Tensor latents);

    /// <summary>Values to latents [C, H, W].</summary>
    public Tensor Encode(Tensor values)
    {
        using Tensor compressed = Compress(values);
        return Normalize(compressed);
    }
}
