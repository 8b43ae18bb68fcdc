// The codec that leaves pixels as they are: latents are the picture itself, [3, H, W] in [−1, 1].
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Codecs;

internal sealed class PixelCodec(ImageCodecConfig config)
{
    public const int Channels = 3;

    public int Height => config.ImageHeight;

    public int Width => config.ImageWidth;

    /// <summary>Pixels [.., 3, H, W] in [−1, 1] to latents; in the pixel codec the same values.</summary>
    public Tensor Encode(Tensor pixels) => pixels.alias();

    /// <summary>Latents to pixels [.., 3, H, W], clamped to [−1, 1].</summary>
    public Tensor Decode(Tensor latents) => latents.clamp(-1, 1);
}
