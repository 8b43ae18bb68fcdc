// What generation asks of the network: rows, each at its own place, read some positions more in one pass.
namespace Microsoft.ML.Transfusion.Modeling;

/// <summary>What is wanted of a pass.</summary>
internal enum PassResult
{
    /// <summary>Nothing but keys and values.</summary>
    None,

    /// <summary>The language logits after the last position, [V].</summary>
    LastLogits,

    /// <summary>The language logits after every position, [positions, V].</summary>
    Logits,

    /// <summary>The diffusion prediction of the last part, which is an image, [P, C·p·p].</summary>
    Patches,
}

/// <summary>Tokens, of which each sees what is before it, or an image's patches, which see each other too.</summary>
/// <param name="Timestep">How noisy the patches are; 0: they are clean.</param>
/// <param name="PatchCount">How many patches there are, of an image.</param>
internal sealed record PassPart(int[]? TokenIds, float[]? Patches, int PatchCount, double Timestep)
{
    public static PassPart Tokens(params int[] tokenIds) => new(tokenIds, null, 0, 0);

    /// <param name="patches">[P, C·p·p].</param>
    public static PassPart Image(float[] patches, int patchCount, double timestep = 0) => new(null, patches, patchCount, timestep);
}

/// <summary>The positions that one row reads in a pass.</summary>
/// <param name="Cache">What the row has read before; no other row of the pass has the same one.</param>
/// <param name="Parts">At least one position.</param>
/// <param name="Wanted">What is put into <see cref="Result"/>.</param>
/// <param name="Keeps">Whether the row grows by these positions; a denoising step leaves it as it was.</param>
internal sealed record RowPass(RowCache Cache, IReadOnlyList<PassPart> Parts, PassResult Wanted, bool Keeps = true)
{
    public float[] Result { get; set; } = [];
}

/// <summary>Keys and values of the positions that one row already has.</summary>
internal abstract class RowCache(int capacity) : IDisposable
{
    /// <summary>Most positions the row can have, those of a denoising step included.</summary>
    public int Capacity => capacity;

    /// <summary>Positions that count. Writing does not move it: <see cref="Advance"/> does, so that a denoising step overwrites the one before.</summary>
    public int Length { get; private set; }

    /// <summary>Memory that it takes.</summary>
    public abstract long Bytes { get; }

    public void Advance(int positions) => Length += positions;

    /// <summary>A row that has read the same.</summary>
    /// <param name="capacity">Its own; at least its length.</param>
    /// <param name="length">Only the first so many positions; all by default.</param>
    public RowCache Clone(int capacity, int? length = null)
    {
        RowCache clone = CopyTo(capacity, length ?? Length);
        clone.Length = length ?? Length;
        return clone;
    }

    /// <summary>Forgets all but the first positions.</summary>
    public void Shorten(int length) => Length = length;

    public abstract void Dispose();

    protected abstract RowCache CopyTo(int capacity, int length);
}

/// <summary>A network that reads rows.</summary>
internal interface IInferenceNetwork : IDisposable
{
    /// <summary>Rows that are computed at the same time, each by a thread of its own.</summary>
    int Threads { get; }

    /// <summary>An empty row.</summary>
    RowCache CreateCache(int capacity);

    /// <summary>Reads the next positions of several rows. The same row gives the same bits alone and beside others, where the implementation says so.</summary>
    void Run(IReadOnlyList<RowPass> passes);
}
