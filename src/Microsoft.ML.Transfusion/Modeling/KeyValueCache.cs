// Keys and values of the positions a sequence already has, so that new positions cost only their own work.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <summary>Preallocated keys and values of every layer, [layers][B, key-value heads, capacity, head size].</summary>
internal sealed class KeyValueCache : IDisposable
{
    private readonly Tensor[] _keys;
    private readonly Tensor[] _values;

    public KeyValueCache(TransformerConfig config, long rows, int capacity, ScalarType dtype, Device device)
    {
        Capacity = capacity;
        Tensor Allocate() => zeros(rows, config.KeyValueHeads, capacity, config.HeadSize, dtype, device).DetachFromDisposeScope();
        _keys = [.. Enumerable.Range(0, config.NumberOfLayers).Select(_ => Allocate())];
        _values = [.. Enumerable.Range(0, config.NumberOfLayers).Select(_ => Allocate())];
    }

    public int Capacity { get; }

    /// <summary>Positions that count. Writing does not move it: <see cref="Advance"/> does, so that a denoising step overwrites the one before.</summary>
    public int Length { get; private set; }

    public void Advance(int positions) => Length += positions;

    /// <summary>Writes keys and values [B, H, T, head size] after the ones that count, and returns all up to and including them.</summary>
    public (Tensor Keys, Tensor Values) Write(int layer, Tensor keys, Tensor values)
    {
        long added = keys.shape[2];
        if (Length + added > Capacity)
            throw new InvalidOperationException($"The sequence outgrew its cache: {Length} + {added} positions, room for {Capacity}.");
        _keys[layer].narrow(2, Length, added).copy_(keys);
        _values[layer].narrow(2, Length, added).copy_(values);
        return (_keys[layer].narrow(2, 0, Length + added), _values[layer].narrow(2, 0, Length + added));
    }

    public void Dispose()
    {
        foreach (Tensor tensor in _keys.Concat(_values))
            tensor.Dispose();
    }
}
