// From logits to a token: greedy, or sampled by temperature among the top k and the nucleus p.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Generation;

internal static class TokenSampler
{
    /// <summary>Logits [V] → a token id. Only ids for which <paramref name="isAllowed"/> is not −∞ can come out.</summary>
    /// <param name="isAllowed">Added to the logits, [V]: 0 or −∞.</param>
    public static int Sample(Tensor logits, Tensor isAllowed, GenerationOptions options, Generator generator)
    {
        using var scope = NewDisposeScope();
        Tensor allowed = logits.Plus(isAllowed).cpu();        // where the generator is
        if (options.Temperature == 0)
            return (int)allowed.argmax().AsInt64();
        (Tensor sorted, Tensor ids) = allowed.DividedBy(options.Temperature).sort(descending: true);
        Tensor probabilities = softmax(sorted, 0);
        if (options.TopK > 0 && options.TopK < probabilities.shape[0])
            probabilities.narrow(0, options.TopK, probabilities.shape[0] - options.TopK).zero_();
        if (options.TopP < 1)
            probabilities.FillInPlace((probabilities.cumsum(0) - probabilities).IsAtLeast(options.TopP), 0);   // the one that crosses p stays
        return (int)ids[multinomial(probabilities, 1, generator: generator)].AsInt64();
    }
}
