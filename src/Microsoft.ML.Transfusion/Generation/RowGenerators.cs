// Seeds belong to rows: a row's random numbers come from the seed and the row's own prompt, never from its place in a batch.
using System.IO.Hashing;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Generation;

/// <summary>One random generator for every row of a batch.</summary>
internal sealed class RowGenerators(IEnumerable<ulong> seeds) : IDisposable
{
    public IReadOnlyList<Generator> Generators { get; } = [.. seeds.Select(seed => new Generator(seed, CPU))];

    public static ulong Seed(long seed, int[] tokenIds) => Seed(seed, MemoryMarshal.AsBytes<int>(tokenIds));

    public static ulong Seed(long seed, Tensor image)
    {
        using var scope = NewDisposeScope();
        return Seed(seed, image.to(ScalarType.Float32).contiguous().bytes);
    }

    private static ulong Seed(long seed, ReadOnlySpan<byte> prompt) => XxHash64.HashToUInt64(prompt, seed);

    public void Dispose()
    {
        foreach (Generator generator in Generators)
            generator.Dispose();
    }
}
