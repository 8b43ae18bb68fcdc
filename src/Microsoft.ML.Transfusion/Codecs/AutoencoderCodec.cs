// Pictures as the latents of an autoencoder (Transfusion §4.1). One at a time: what comes of a picture never depends on others beside it.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Codecs;

internal sealed class AutoencoderCodec(AutoencoderNetwork network, LatentConfig config) : LatentCodec
{
    private const int Tile = 512;                           // pixels a side that go through the autoencoder at once

    private readonly ChannelNormalization _normalization = new(config.Mean, config.StandardDeviation);

    public override Tensor Compress(Tensor values)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return Tiles.Map(values.unsqueeze(0).to(network.Device), Tile, network.ToLatents)[0].cpu().MoveToOuterDisposeScope();
    }

    public override Tensor Normalize(Tensor compressed) => _normalization.Apply(compressed);

    public override Tensor Decode(Tensor latents)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor compressed = _normalization.Undo(latents).unsqueeze(0).to(network.Device);
        return Tiles.Map(compressed, Tile / network.Shape.Factor, network.ToImages)[0].Clamp(-1, 1).cpu().MoveToOuterDisposeScope();
    }
}
