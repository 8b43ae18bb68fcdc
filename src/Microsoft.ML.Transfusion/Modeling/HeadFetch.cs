// Keys and values of the head that attention reads next. They lie in strides, which the processor does not foresee, and more at once than it can wait
// for would hold up what is computed: so they are asked for a few lines of the cache at a time, between products.
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Transfusion.Torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal unsafe struct HeadFetch
{
    private readonly int _stride;
    private readonly int _ofValues;                         // numbers
    private float* _row;                                    // of keys; after the last of them all values, as one row
    private int _rows;
    private int _width;
    private int _column;
    private float* _values;

    /// <param name="row">Whose positions, those of the pass included, will be read or written.</param>
    public HeadFetch(PlacedRow row, int layer, int head)
    {
        var cache = (CpuRowCache)row.Pass.Cache;
        _row = cache.KeysTransposed(layer, head);
        _values = cache.Values(layer, head);
        (_rows, _width, _stride) = (cache.Size, PackedAttention.Rounded(row.Start + row.Count), cache.Stride);
        _ofValues = _width * _rows;
        Lines = 2 * _ofValues / ILanes.Count;
    }

    /// <summary>All there are.</summary>
    public int Lines { get; }

    /// <summary>Asks for the next lines, or what is left.</summary>
    public void Next(int lines)
    {
        for (; Sse.IsSupported && lines > 0 && _rows > 0; lines--)
        {
            Sse.Prefetch1(_row + _column);
            _column += ILanes.Count;
            if (_column < _width)
                continue;
            _column = 0;
            _row += _stride;
            if (--_rows > 0 || _values == null)
                continue;
            _row = _values;
            _values = null;
            (_rows, _width) = (1, _ofValues);
        }
    }
}
