// Channels with mean 0 and deviation 1 over the training data, as noise has them: at equal noise all channels are then equally hard to see.
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Codecs;

internal sealed class ChannelNormalization(IReadOnlyList<float> means, IReadOnlyList<float> deviations)
{
    /// <summary>[C, H, W].</summary>
    public Tensor Apply(Tensor values)
    {
        using var scope = NewDisposeScope();
        return (values.Plus(OfChannels(means), -1) / OfChannels(deviations)).MoveToOuterDisposeScope();
    }

    /// <summary>The inverse of <see cref="Apply"/>.</summary>
    public Tensor Undo(Tensor latents)
    {
        using var scope = NewDisposeScope();
        return (latents * OfChannels(deviations)).Plus(OfChannels(means)).MoveToOuterDisposeScope();
    }

    private static Tensor OfChannels(IReadOnlyList<float> values) => tensor(values.ToArray(), [values.Count, 1, 1]);
}
