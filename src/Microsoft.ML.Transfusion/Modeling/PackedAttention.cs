// Attention of a row's new positions to all that the row has, head by head in the cache, as AttentionKernel does it in training. What hidden
// positions would add is exactly zero, so that a position's result does not depend on what is computed with it.
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Transfusion.Torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal static unsafe class PackedAttention
{
    private const int BlockRows = 32;                       // queries that are computed together
    [ThreadStatic]
    private static float[]? _scratch;

    public static int Rounded(int size) => (size + ILanes.Count - 1) / ILanes.Count * ILanes.Count;

    /// <summary>Turns the row's new queries and keys to their positions, adds keys and values to its cache, and attends.</summary>
    /// <param name="following">The row that comes next in this layer; its first head is fetched meanwhile.</param>
    /// <param name="turns"><see cref="HeadRows.Turns"/> of all positions.</param>
    public static void Attend(PlacedRow row, PlacedRow? following, int layer, TransformerConfig config, float* turns, PassBuffers buffers)
    {
        var cache = (CpuRowCache)row.Pass.Cache;
        int size = config.HeadSize, group = config.NumberOfHeads / config.KeyValueHeads;
        long needed = (long)BlockRows * (2 * cache.Size + cache.Stride);
        if (_scratch is null || _scratch.Length < needed)
            _scratch = GC.AllocateArray<float>((int)needed, pinned: true);
        float* joined = buffers.Joined + (nint)row.First * buffers.JoinedStride, attended = buffers.Attended + (nint)row.First * buffers.AttendedStride;
        fixed (float* scratch = _scratch)
            for (int head = 0; head < config.KeyValueHeads; head++)
            {
                float* keys = cache.KeysTransposed(layer, head), values = cache.Values(layer, head);
                CpuRowCache? coming = head + 1 < config.KeyValueHeads ? cache : (CpuRowCache?)following?.Pass.Cache;
                float* next = coming == null ? null : coming.KeysTransposed(layer, (head + 1) % config.KeyValueHeads);
                int share = coming == null || row.Count < SmallProduct.TileRows ? 0 : 2 * coming.Stride * coming.Size / (group * row.Count) + 1;      // of the next head, by each query; one position takes less time than fetching would
                float* newKeys = joined + (config.NumberOfHeads + head) * size, newValues = newKeys + config.KeyValueHeads * size;
                WriteKeys(row, newKeys, buffers.JoinedStride, size, turns, keys, cache, scratch);
                HeadRows.Move<Float32Lanes, Float32Lanes>(newValues, buffers.JoinedStride, values + (nint)row.Start * cache.Size, cache.Size, row.Count, size);
                if (Rounded(row.Start) < Rounded(row.Start + row.Count))
                    cache.ClearAfter(row.Start + row.Count, keys, values);
                for (int query = head * group; query < (head + 1) * group; query++)
                    for (int first = 0; first < row.Count; first += BlockRows)
                    {
                        Attend(row, first, Math.Min(BlockRows, row.Count - first), size, turns,
                            joined + query * size, buffers.JoinedStride, keys, values, cache, attended + query * size, buffers.AttendedStride, scratch, next, share);
                        next += BlockRows * (nint)share;
                    }
            }
    }

    /// <summary>What comes next is read in strides, which the processor does not foresee. A little at a time: more than it can wait for would hold up what is computed.</summary>
    private static void Fetch(float* numbers, int count)
    {
        for (int at = 0; Sse.IsSupported && at < count; at += 16)
            Sse.Prefetch1(numbers + at);
    }

    private static void WriteKeys(PlacedRow row, float* newKeys, int stride, int size, float* turns, float* keys, CpuRowCache cache, float* scratch)
    {
        for (int first = 0; first < row.Count; first += ILanes.Count)
        {
            int count = Math.Min(ILanes.Count, row.Count - first);
            float* turned = keys + row.Start + first;
            HeadRows.Move<Float32Lanes, Float32Lanes>(newKeys + (nint)first * stride, stride, scratch, cache.Size, count, size, turns + 2L * (row.Start + first) * size);
            if (count == ILanes.Count)
                SmallProduct.Transpose(scratch, cache.Size, turned, cache.Stride, count, cache.Size);
            else
                for (int position = 0; position < count; position++)
                    for (int i = 0; i < size; i++)
                        turned[(nint)i * cache.Stride + position] = scratch[position * cache.Size + i];
        }
    }

    private static void Attend(PlacedRow row, int first, int count, int size, float* turns, float* newQueries, int stride, float* keys, float* values, CpuRowCache cache, float* attended, int attendedStride, float* scratch, float* next, int share)
    {
        float* queries = scratch, results = queries + BlockRows * cache.Size, scores = results + BlockRows * cache.Size;
        ReadOnlySpan<int> visible = row.Visible.AsSpan(first, count);
        int most = 0;
        foreach (int number in visible)
            most = Math.Max(most, number);
        int seen = Rounded(most), tiled = count / SmallProduct.TileRows * SmallProduct.TileRows;
        HeadRows.Move<Float32Lanes, Float32Lanes>(newQueries + (nint)first * stride, stride, queries, cache.Size, count, size, turns + 2L * (row.Start + first) * size, 1, 1 / MathF.Sqrt(size));
        SmallProduct.Multiply(queries, cache.Size, 1, keys, cache.Stride, scores, cache.Stride, tiled, seen, size, add: false);
        for (int query = tiled; query < count; query++)
            SmallProduct.MultiplyRow(queries + query * cache.Size, keys, cache.Stride, scores + (nint)query * cache.Stride, seen, size);
        float* sums = stackalloc float[BlockRows];
        for (int query = 0; query < count; query++)
        {
            float* ofQuery = scores + (nint)query * cache.Stride;
            Fetch(next + query * (nint)share, share);
            sums[query] = SoftmaxRow.Exponentials(ofQuery, SoftmaxRow.Largest(ofQuery, visible[query]), visible[query], seen);
        }
        SmallProduct.Multiply(scores, cache.Stride, 1, values, cache.Size, results, cache.Size, tiled, cache.Size, seen, add: false);
        for (int query = tiled; query < count; query++)
            SmallProduct.MultiplyRow(scores + (nint)query * cache.Stride, values, cache.Size, results + query * cache.Size, cache.Size, seen);
        for (int query = 0; query < count; query++)
            SoftmaxRow.Multiply(results + query * cache.Size, 1 / sums[query], cache.Size);
        HeadRows.Move<Float32Lanes, Float32Lanes>(results, cache.Size, attended + (nint)first * attendedStride, attendedStride, count, size);
    }
}
