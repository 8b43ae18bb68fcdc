// How well text is predicted, from negative log-likelihoods in nats: per token, which depends on the vocabulary, and per byte, which does not.
namespace Microsoft.ML.Transfusion.Evaluation;

internal static class Perplexity
{
    /// <summary>exp of the mean negative log-likelihood of a token.</summary>
    public static double Of(double nats, long tokenCount) => Math.Exp(nats / tokenCount);

    /// <summary>Bits that it takes to write a byte of the text.</summary>
    /// <param name="byteCount">Bytes of the text in UTF-8.</param>
    public static double BitsPerByte(double nats, long byteCount) => nats / Math.Log(2) / byteCount;
}
