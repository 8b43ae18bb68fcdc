// Keys and values of the head that attention reads next. They lie in strides, which the processor does not foresee, and more at once than it can wait
// for would hold up what is computed: so they are asked for a few lines of the cache at a time, between products.
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Transfusion.Torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal unsafe struct HeadFetch
{
    private float* _next;
    private int _keys;                                      // lines that are left, then those of values
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
        _keys = (positions + CpuRowCache.PanelPositions - 1) / CpuRowCache.PanelPositions * CpuRowCache.PanelPositions * cache.Size / ILanes.Count;
        Lines = _keys + _values;
    }

    /// <summary>All there are.</summary>
    public int Lines { get; }

    /// <summary>Asks for the next lines, or what is left.</summary>
    public void Next(int lines)
    {
        for (; Sse.IsSupported && lines > 0 && _keys > 0; lines--, _next += ILanes.Count)
        {
            Sse.Prefetch1(_next);
            if (--_keys > 0)
                continue;
            (_keys, _values) = (_values, 0);
            _next = _firstValue - ILanes.Count;
        }
    }
}
