// Between the values of a column, pixels or vectors, and the latents that the network is trained on.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Codecs;

internal abstract class LatentCodec
{
    public static LatentCodec Create(TransfusionConfig config) => config.Vector is { } vector ? new VectorCodec(vector) : new PixelCodec();

    /// <summary>Values to latents [.., C, H, W].</summary>
    public abstract Tensor Encode(Tensor values);

    /// <summary>Latents to values: pixels [.., 3, H, W], clamped to [−1, 1], or a vector's values.</summary>
    public abstract Tensor Decode(Tensor latents);
}
