// Keys and values of the head that attention reads next, which every row has of its own. More at once than the processor can wait for would hold up
// what is computed: so they are asked for a few lines of the cache at a time, between products.
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Transfusion.Torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal unsafe struct HeadFetch
{
    private float* _next;
    private int _left;                                      // lines of keys, then of values
    private int _values;
    private readonly float* _firstValue;

    /// <param name="row">Whose positions, those of the pass included, will be read or written.</param>
    public HeadFetch(PlacedRow row, int layer, int head)
    {
        var cache = (CpuRowCache)row.Pass.Cache;
        int positions = PackedAttention.Rounded(row.Start + row.Count);
        _next = cache.KeysTransposed(layer, head);
        _firstValue = cache.Values(layer, head);
        _values = positions * cache.Size / ILanes.Count;
        _left = CpuRowCache.InPanels(positions) * cache.Size / ILanes.Count;
        Lines = _left + _values;
    }

    /// <summary>All there are.</summary>
    public int Lines { get; }

    /// <summary>Asks for the next lines, or what is left.</summary>
    public void Next(int lines)
    {
        for (; Sse.IsSupported && lines > 0 && _left > 0; lines--, _next += ILanes.Count)
        {
            Sse.Prefetch1(_next);
            if (--_left > 0)
                continue;
            (_left, _values) = (_values, 0);
            _next = _firstValue - ILanes.Count;
        }
    }
}
