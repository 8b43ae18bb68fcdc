// Seeds belong to rows: a row's random numbers come from the seed and the row's own prompt, never from its place in a batch.
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Generation;

internal static class RowSeed
{
    public static ulong Of(long seed, int[] tokenIds) => Of(seed, MemoryMarshal.AsBytes<int>(tokenIds));

    public static ulong Of(long seed, Tensor image)
    {
        using var scope = NewDisposeScope();
        return Of(seed, image.to(ScalarType.Float32).contiguous().bytes);
    }

    public static ulong Of(long seed, Document document) => document.Parts.Aggregate((ulong)seed, (sum, part) => part is TextPart text
        ? Of((long)sum, text.TokenIds) : Of((long)sum, ((ImagePart)part).Latents));

    /// <summary>The seed of one of several answers to a prompt; the first has the prompt's own.</summary>
    public static ulong Candidate(ulong seed, int number) => number == 0 ? seed : XxHash64.HashToUInt64(BitConverter.GetBytes(seed), number);

    private static ulong Of(long seed, ReadOnlySpan<byte> prompt) => XxHash64.HashToUInt64(prompt, seed);
}
