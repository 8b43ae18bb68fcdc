// The codec that leaves pixels as they are: latents are the picture itself, [3, H, W] in [−1, 1].
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Codecs;

internal sealed class PixelCodec : LatentCodec
{
    public const int Channels = 3;

    public override bool StoresExactly => false;

    public override Tensor Compress(Tensor values) => values.alias();

    public override Tensor Normalize(Tensor compressed) => compressed.alias();

    public override Tensor Decode(Tensor latents) => latents.Clamp(-1, 1);
}
