// Keys and values of one row as products in the cache want them: keys transposed, in panels of so many positions, so that those in use lie one after
// the other however much room there is. Memory is as it was found but for the rest of the last register in use, which is read too and is zeros.
using System.Runtime.InteropServices;
using Microsoft.ML.Transfusion.Torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed unsafe class CpuRowCache : RowCache
{
    /// <summary>Positions of a panel of keys.</summary>
    public const int PanelPositions = 64;

    private const int Alignment = 64;
    private readonly int _layers;
    private readonly int _heads;
    private readonly float* _start;                         // [layers][heads][keys [panels][size][64], values [room][size]]

    /// <param name="size">Numbers in a head, in whole registers.</param>
    public CpuRowCache(int layers, int heads, int size, int capacity) : base(capacity)
    {
        (_layers, _heads, Size) = (layers, heads, size);
        Room = InPanels(capacity);
        _start = (float*)NativeMemory.AlignedAlloc((nuint)Bytes, Alignment);
    }

    public override long Bytes => 2L * _layers * _heads * Size * Room * sizeof(float);

    public int Size { get; }

    /// <summary>Positions there is room for.</summary>
    public int Room { get; }

    /// <summary>So many positions in whole panels.</summary>
    public static int InPanels(int positions) => (positions + PanelPositions - 1) / PanelPositions * PanelPositions;

    /// <summary>[panels][size][64].</summary>
    public float* KeysTransposed(int layer, int head) => _start + 2L * (layer * _heads + head) * Size * Room;

    /// <summary>[room][size].</summary>
    public float* Values(int layer, int head) => KeysTransposed(layer, head) + (long)Size * Room;

    /// <summary>Where a position's keys begin, of a head's.</summary>
    public long KeysAt(int position) => (long)(position / PanelPositions) * Size * PanelPositions + position % PanelPositions;

    /// <summary>Zeros from the last position in use to the end of its register, keys and values; of a head.</summary>
    public void ClearAfter(int positions, float* keys, float* values)
    {
        int rest = PackedAttention.Rounded(positions) - positions;
        for (int row = 0; row < Size; row++)
            new Span<float>(keys + KeysAt(positions) + row * PanelPositions, rest).Clear();
        new Span<float>(values + (long)positions * Size, rest * Size).Clear();
    }

    public override void Dispose() => NativeMemory.AlignedFree(_start);

    protected override RowCache CopyTo(int capacity, int length)
    {
        var copy = new CpuRowCache(_layers, _heads, Size, capacity);
        for (int layer = 0; layer < _layers; layer++)
            for (int head = 0; head < _heads; head++)
            {
                Copy(KeysTransposed(layer, head), copy.KeysTransposed(layer, head), InPanels(length) * Size);
                Copy(Values(layer, head), copy.Values(layer, head), length * Size);
                copy.ClearAfter(length, copy.KeysTransposed(layer, head), copy.Values(layer, head));
            }
        return copy;

        static void Copy(float* from, float* to, int count) => new Span<float>(from, count).CopyTo(new Span<float>(to, count));
    }
}
