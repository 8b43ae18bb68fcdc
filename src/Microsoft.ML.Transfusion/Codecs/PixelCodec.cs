// The codec that leaves pixels as they are: latents are the picture itself, [3, H, W] in [−1, 1].
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Codecs;

internal static class PixelCodec
{
    public const int Channels = 3;

    /// <summary>Pixels [.., 3, H, W] in [−1, 1] to latents; in the pixel codec the same values.</summary>
    public static Tensor Encode(Tensor pixels) => pixels.alias();

    /// <summary>Latents to pixels [.., 3, H, W], clamped to [−1, 1].</summary>
    public static Tensor Decode(Tensor latents) => latents.Clamp(-1, 1);
}
