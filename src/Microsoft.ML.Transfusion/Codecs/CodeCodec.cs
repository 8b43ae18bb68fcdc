// Pictures as the codes of a VQ autoencoder: [1, H/f, W/f], each value the number of a code.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Codecs;

internal sealed class CodeCodec(VqAutoencoderNetwork network) : LatentCodec
{
    public override Tensor Compress(Tensor values)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor latents = network.Encode(values.unsqueeze(0).to(network.Device));
        return network.Quantize(latents).Indices.view(1, latents.shape[2], latents.shape[3]).to(ScalarType.Float32).cpu().MoveToOuterDisposeScope();
    }

    public override Tensor Normalize(Tensor compressed) => compressed.alias();

    public override Tensor Decode(Tensor latents)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor codes = network.Lookup(latents.to(ScalarType.Int64).flatten().to(network.Device), latents.shape[1], latents.shape[2]);
        return network.Decode(codes)[0].Clamp(-1, 1).cpu().MoveToOuterDisposeScope();
    }
}
