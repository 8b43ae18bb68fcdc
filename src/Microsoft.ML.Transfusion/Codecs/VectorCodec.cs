// Vectors as latents [channels, 1, length], each channel with mean 0 and spread 1 over the training data, as noise has it.
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Codecs;

internal sealed class VectorCodec(VectorCodecConfig config) : LatentCodec
{
    public override Tensor Encode(Tensor values)
    {
        using var scope = NewDisposeScope();
        return (values.Plus(OfChannels(config.Mean), -1) / OfChannels(config.StandardDeviation)).MoveToOuterDisposeScope();
    }

    public override Tensor Decode(Tensor latents)
    {
        using var scope = NewDisposeScope();
        return (latents * OfChannels(config.StandardDeviation)).Plus(OfChannels(config.Mean)).MoveToOuterDisposeScope();
    }

    private static Tensor OfChannels(IReadOnlyList<float> values) => tensor(values.ToArray(), [values.Count, 1, 1]);
}
