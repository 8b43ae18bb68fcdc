// Attention of a row's new positions to all that the row has, head by head in the cache, as AttentionKernel does it in training. What hidden
// positions would add is exactly zero, so that a position's result does not depend on what is computed with it.
using Microsoft.ML.Transfusion.Torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal static unsafe class PackedAttention
{
    private const int BlockRows = 32;                       // queries that are computed together
    private const int PanelColumns = 2 * SmallProduct.TileColumns;
    [ThreadStatic]
    private static float[]? _scratch;

    private static int ScoresStride(CpuRowCache cache) => cache.Room + ILanes.Count;      // rows a power of two apart would fall on the same lines of the cache

    public static int Rounded(int size) => (size + ILanes.Count - 1) / ILanes.Count * ILanes.Count;

    /// <summary>Turns the row's new queries and keys to their positions, adds keys and values to its cache, and attends.</summary>
    /// <param name="following">The row that comes next in this layer; its first head is fetched meanwhile.</param>
    /// <param name="turns"><see cref="HeadRows.Turns"/> of all positions.</param>
    public static void Attend(PlacedRow row, PlacedRow? following, int layer, TransformerConfig config, float* turns, PassBuffers buffers)
    {
        var cache = (CpuRowCache)row.Pass.Cache;
        int size = config.HeadSize, group = config.NumberOfHeads / config.KeyValueHeads;
        long needed = (long)BlockRows * (2 * cache.Size + ScoresStride(cache));
        if (_scratch is null || _scratch.Length < needed)
            _scratch = GC.AllocateArray<float>((int)needed, pinned: true);
        float* joined = buffers.Joined + (nint)row.First * buffers.JoinedStride, attended = buffers.Attended + (nint)row.First * buffers.AttendedStride;
        fixed (float* scratch = _scratch)
            for (int head = 0; head < config.KeyValueHeads; head++)
            {
                float* keys = cache.KeysTransposed(layer, head), values = cache.Values(layer, head);
                HeadFetch next = row.Count < SmallProduct.TileRows ? default           // one position takes less time than fetching would
                    : head + 1 < config.KeyValueHeads ? new HeadFetch(row, layer, head + 1)
                    : following is not null ? new HeadFetch(following, layer, 0) : default;
                int share = next.Lines / (group * row.Count) + 1;       // for each query
                float* newKeys = joined + (config.NumberOfHeads + head) * size, newValues = newKeys + config.KeyValueHeads * size;
                WriteKeys(row, newKeys, buffers.JoinedStride, size, turns, keys, cache, scratch);
                HeadRows.Move<Float32Lanes, Float32Lanes>(newValues, buffers.JoinedStride, values + (nint)row.Start * cache.Size, cache.Size, row.Count, size);
                if (Rounded(row.Start) < Rounded(row.Start + row.Count))
                    cache.ClearAfter(row.Start + row.Count, keys, values);
                for (int query = head * group; query < (head + 1) * group; query++)
                    for (int first = 0; first < row.Count; first += BlockRows)
                        Attend(row, first, Math.Min(BlockRows, row.Count - first), size, turns,
                            joined + query * size, buffers.JoinedStride, keys, values, cache, attended + query * size, buffers.AttendedStride, scratch, ref next, share);
            }
    }

    private static void WriteKeys(PlacedRow row, float* newKeys, int stride, int size, float* turns, float* keys, CpuRowCache cache, float* scratch)
    {
        for (int first = 0; first < row.Count; first += ILanes.Count)
        {
            int count = Math.Min(ILanes.Count, row.Count - first);
            float* turned = keys + cache.KeysAt(row.Start + first);
            HeadRows.Move<Float32Lanes, Float32Lanes>(newKeys + (nint)first * stride, stride, scratch, cache.Size, count, size, turns + 2L * (row.Start + first) * size);
            if (count == ILanes.Count && (row.Start + first) % CpuRowCache.PanelPositions <= CpuRowCache.PanelPositions - ILanes.Count)
                SmallProduct.Transpose(scratch, cache.Size, turned, CpuRowCache.PanelPositions, count, cache.Size);
            else
                for (int position = 0; position < count; position++)
                {
                    turned = keys + cache.KeysAt(row.Start + first + position);
                    for (int i = 0; i < size; i++)
                        turned[i * CpuRowCache.PanelPositions] = scratch[position * cache.Size + i];
                }
        }
    }

    private static void Attend(PlacedRow row, int first, int count, int size, float* turns, float* newQueries, int stride, float* keys, float* values, CpuRowCache cache, float* attended, int attendedStride, float* scratch, ref HeadFetch next, int share)
    {
        float* queries = scratch, results = queries + BlockRows * cache.Size, scores = results + BlockRows * cache.Size;
        int scoresStride = ScoresStride(cache);
        ReadOnlySpan<int> visible = row.Visible.AsSpan(first, count);
        int most = 0;
        foreach (int number in visible)
            most = Math.Max(most, number);
        int seen = Rounded(most), tiled = count / SmallProduct.TileRows * SmallProduct.TileRows;
        HeadRows.Move<Float32Lanes, Float32Lanes>(newQueries + (nint)first * stride, stride, queries, cache.Size, count, size, turns + 2L * (row.Start + first) * size, 1, 1 / MathF.Sqrt(size));
        for (int column = 0; column < seen; column += PanelColumns)             // half of what comes next is fetched here, half below
        {
            next.Next(share * count * PanelColumns / (2 * seen) + 1);
            SmallProduct.Multiply(queries, cache.Size, 1, keys + cache.KeysAt(column), CpuRowCache.PanelPositions, scores + column, scoresStride, tiled, Math.Min(PanelColumns, seen - column), size, add: false);
        }
        for (int query = tiled; query < count; query++)
            for (int column = 0; column < seen; column += CpuRowCache.PanelPositions)
                SmallProduct.MultiplyRow(queries + query * cache.Size, keys + cache.KeysAt(column), CpuRowCache.PanelPositions, scores + (nint)query * scoresStride + column,
                    Math.Min(CpuRowCache.PanelPositions, seen - column), size);
        float* sums = stackalloc float[BlockRows];
        for (int query = 0; query < count; query++)
        {
            float* ofQuery = scores + (nint)query * scoresStride;
            next.Next(share / 2 + 1);
            sums[query] = SoftmaxRow.Exponentials(ofQuery, SoftmaxRow.Largest(ofQuery, visible[query]), visible[query], seen);
        }
        SmallProduct.Multiply(scores, scoresStride, 1, values, cache.Size, results, cache.Size, tiled, cache.Size, seen, add: false);
        for (int query = tiled; query < count; query++)
            SmallProduct.MultiplyRow(scores + (nint)query * scoresStride, values, cache.Size, results + query * cache.Size, cache.Size, seen);
        for (int query = 0; query < count; query++)
            SoftmaxRow.Multiply(results + query * cache.Size, 1 / sums[query], cache.Size);
        HeadRows.Move<Float32Lanes, Float32Lanes>(results, cache.Size, attended + (nint)first * attendedStride, attendedStride, count, size);
    }
}
