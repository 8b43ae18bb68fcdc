// Vectors as latents [channels, 1, length].
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Codecs;

internal sealed class VectorCodec(VectorCodecConfig config) : LatentCodec
{
    private readonly ChannelNormalization _normalization = new(config.Mean, config.StandardDeviation);

    public override Tensor Compress(Tensor values) => values.alias();

    public override Tensor Normalize(Tensor compressed) => _normalization.Apply(compressed);

    public override Tensor Decode(Tensor latents) => _normalization.Undo(latents);
}
