// The network's pass for generation by libtorch, for GPUs: linear layers see the positions of all rows at once, attention goes row by row, each over
// its own keys and values.
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed class TorchInference(TransfusionNetwork network) : IInferenceNetwork
{
    public int Threads => 1;

    public RowCache CreateCache(int capacity) => new TorchRowCache(network.Config, capacity, network.Dtype, network.Device);

    public void Run(IReadOnlyList<RowPass> passes)
    {
        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        List<PlacedRow> rows = [.. passes.Select(pass => new PlacedRow(pass, network.Config))];
        int positions = 0;
        foreach (PlacedRow row in rows)
            (row.First, positions) = (positions, positions + row.Count);
        Dictionary<PassPart, UNetPass> down = new(ReferenceEqualityComparer.Instance);
        Tensor hidden = network.ForwardRows(Embed(passes, down), [.. rows.Select(row => new TorchRow((TorchRowCache)row.Pass.Cache, row.First, row.Count, Mask(row)))]);
        foreach (PlacedRow row in rows)
        {
            row.Pass.Result = row.Pass.Wanted switch
            {
                PassResult.LastLogits => ToArray(network.Logits(hidden.narrow(0, row.First + row.Count - 1, 1))),
                PassResult.Logits => ToArray(network.Logits(hidden.narrow(0, row.First, row.Count))),
                PassResult.Patches => ToArray(Predict(hidden.narrow(0, row.First + row.Count - network.PatchCount, network.PatchCount), down.GetValueOrDefault(row.Pass.Parts[^1]))),
                _ => [],
            };
            if (row.Pass.Keeps)
                row.Pass.Cache.Advance(row.Count);
        }
    }

    public void Dispose()
    {
    }

    /// <summary>All positions of all rows, [N, D].</summary>
    /// <param name="down">Takes what the U-Net's way up wants of each picture.</param>
    private Tensor Embed(IReadOnlyList<RowPass> passes, Dictionary<PassPart, UNetPass> down) => cat([.. passes.SelectMany(pass => pass.Parts).Select(part => part.TokenIds is { } ids
        ? network.EmbedTokens(tensor(ids.Select(id => (long)id).ToArray(), device: network.Device))
        : EmbedImage(part, down))], 0);

    private Tensor EmbedImage(PassPart part, Dictionary<PassPart, UNetPass> down)
    {
        Tensor patches = tensor(part.Patches!, device: network.Device).view(1, network.PatchCount, -1), timestep = Arithmetic.Full([1], part.Timestep, ScalarType.Float32, network.Device);
        if (network.UNet is not { Grid: var grid })
            return network.EmbedPatches(patches, timestep)[0];
        (Tensor vectors, UNetPass? pass) = network.EmbedImages(grid.Unpatchify(patches), timestep, grid);
        down[part] = pass!;
        return vectors[0];
    }

    /// <summary>[P, D] → [1, P, C·p·p].</summary>
    private Tensor Predict(Tensor hidden, UNetPass? pass) => pass is null ? network.PredictPatches(hidden) : network.UNet!.Grid.Patchify(network.PredictImages(hidden.unsqueeze(0), pass, network.UNet.Grid));

    /// <summary>0 where a position sees another, −∞ elsewhere, [T, S]; null: each sees all.</summary>
    private Tensor? Mask(PlacedRow row)
    {
        int length = row.Start + row.Count;
        if (row.Visible.All(visible => visible == length))
            return null;
        Tensor visible = tensor(row.Visible.Select(count => (long)count).ToArray(), device: network.Device).unsqueeze(1);           // [T, 1]
        Tensor hidden = Arithmetic.Arange(length, ScalarType.Int64, network.Device).ge(visible);                                    // [T, S]
        return zeros(row.Count, length, network.Dtype, network.Device).FillInPlace(hidden, double.NegativeInfinity);
    }

    private static float[] ToArray(Tensor values) => values.cpu().contiguous().data<float>().ToArray();
}

/// <summary>Where a row's positions lie among those of a pass, and which of the row they see.</summary>
/// <param name="Mask">Added to scores, [T, S]; null: every position sees all of the row.</param>
internal sealed record TorchRow(TorchRowCache Cache, int First, int Count, Tensor? Mask);

/// <summary>Preallocated keys and values of every layer, [1, key-value heads, capacity, head size].</summary>
internal sealed class TorchRowCache : RowCache
{
    private readonly Tensor[] _keys;
    private readonly Tensor[] _values;

    public TorchRowCache(TransformerConfig config, int capacity, ScalarType dtype, Device device) : base(capacity)
    {
        Tensor Allocate() => zeros(1, config.KeyValueHeads, capacity, config.HeadSize, dtype, device).DetachFromDisposeScope();
        _keys = [.. Enumerable.Range(0, config.NumberOfLayers).Select(_ => Allocate())];
        _values = [.. Enumerable.Range(0, config.NumberOfLayers).Select(_ => Allocate())];
    }

    private TorchRowCache(TorchRowCache source, int capacity, int length) : base(capacity)
    {
        Tensor Copy(Tensor tensor)
        {
            Tensor copy = zeros([.. tensor.shape[..2], capacity, tensor.shape[3]], tensor.dtype, tensor.device);
            copy.narrow(2, 0, length).copy_(tensor.narrow(2, 0, length));
            return copy.DetachFromDisposeScope();
        }
        using var scope = NewDisposeScope();
        _keys = [.. source._keys.Select(Copy)];
        _values = [.. source._values.Select(Copy)];
    }

    public override long Bytes => _keys.Concat(_values).Sum(tensor => tensor.NumberOfElements * tensor.ElementSize);

    /// <summary>Writes keys and values [1, Hkv, T, head size] after the ones that count, and returns all up to and including them.</summary>
    public (Tensor Keys, Tensor Values) Write(int layer, Tensor keys, Tensor values)
    {
        long added = keys.shape[2];
        _keys[layer].narrow(2, Length, added).copy_(keys);
        _values[layer].narrow(2, Length, added).copy_(values);
        return (_keys[layer].narrow(2, 0, Length + added), _values[layer].narrow(2, 0, Length + added));
    }

    public override void Dispose()
    {
        foreach (Tensor tensor in _keys.Concat(_values))
            tensor.Dispose();
    }

    protected override RowCache CopyTo(int capacity, int length) => new TorchRowCache(this, capacity, length);
}
