// The network's pass for generation on a CPU, without libtorch in between: rows of any number and length in one pass, split among threads by whole
// rows. Whatever else is computed beside it, a row gives the same bits: every sum runs over the row's own numbers in one order.
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed unsafe class CpuInference : IInferenceNetwork
{
    private const int ChunkPositions = 256;                 // so that a chunk's activations and a layer's weights stay in the second cache
    private const int KeptPositions = 2 * ChunkPositions;   // chunks of whole rows are larger at times; what is not written takes no memory
    private readonly TransfusionNetwork _network;
    private readonly TransformerConfig _config;
    private readonly CpuBlock[] _blocks;
    private readonly PackedMatrix _languageHead;
    private readonly PackedMatrix? _patchProjection;
    private readonly PackedMatrix? _patchHead;
    private readonly UNetInference? _unet;                  // in place of those two
    private readonly PassThreads _threads;
    private readonly float[] _tokens;                       // [V, D]
    private readonly float[]? _positions;                   // [P, D]
    private readonly float[] _norm;                         // [D]
    private readonly float[] _turns;                        // of all positions
    private readonly ConcurrentBag<PassBuffers> _buffers = [];      // kept: memory that is new to the process is cleared, page by page, as it is written
    // The one thing that libtorch computes, so that its formula stands in one place; once, since libtorch's threads then stay awake in the way of ours.
    private readonly Dictionary<double, float[]> _times = [];

    /// <param name="network">Whose weights are copied; it computes the timestep embedding and must outlive this.</param>
    public CpuInference(TransfusionNetwork network)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        (_network, _config, Threads) = (network, network.Config, get_num_threads());
        Dictionary<string, Tensor> weights = network.state_dict();
        PackedMatrix Pack(string name) => new(weights[$"{name}.weight"], weights.GetValueOrDefault($"{name}.bias"));
        float[] Copy(string name) => weights[name].detach().cpu().to(ScalarType.Float32).contiguous().data<float>().ToArray();
        _tokens = Copy("embed_tokens.weight");
        _positions = weights.ContainsKey("embed_patches.position") ? Copy("embed_patches.position") : null;
        if (network.UNet is null)
            (_patchProjection, _patchHead) = (Pack("embed_patches.proj"), Pack("patch_head"));
        else
            _unet = new UNetInference(network, Threads);
        _norm = Copy("norm.weight");
        _languageHead = Pack(_config.TiedEmbeddings ? "embed_tokens" : "lm_head");
        _turns = HeadRows.Turns(RotaryEmbedding.Table(_config.MaxSequenceLength, _config.HeadSize, _config.RopeTheta, CPU, _config.RopeScaling));
        _blocks =
        [
            .. Enumerable.Range(0, _config.NumberOfLayers).Select(layer => $"layers.{layer}.").Select(block => new CpuBlock(
                _config, Copy(block + "input_layernorm.weight"), Pack(block + "self_attn.qkv_proj"), Pack(block + "self_attn.o_proj"),
                _config.QueryKeyNorm ? (Copy(block + "self_attn.q_norm.weight"), Copy(block + "self_attn.k_norm.weight")) : null,
                Copy(block + "post_attention_layernorm.weight"), Pack(block + "mlp.gate_proj"), Pack(block + "mlp.up_proj"), Pack(block + "mlp.down_proj"))),
        ];
        _threads = new PassThreads(Threads - 1);            // last: a constructor that throws must not leave threads asleep
    }

    public int Threads { get; }

    private int Vocabulary => _tokens.Length / _config.HiddenSize;

    public RowCache CreateCache(int capacity) => new CpuRowCache(_config.NumberOfLayers, _config.KeyValueHeads, PackedAttention.Rounded(_config.HeadSize), capacity);

    public void Run(IReadOnlyList<RowPass> passes)
    {
        if (_unet is not null)
            _unet.Read(passes);
        else
            foreach (PassPart part in passes.SelectMany(pass => pass.Parts).Where(part => part.Patches is not null && !_times.ContainsKey(part.Timestep)))
                _times.Add(part.Timestep, _network.TimeVector(part.Timestep));
        List<PlacedRow> rows = [.. passes.Select(pass => new PlacedRow(pass, _config))];
        PlacedRow[][] chunks = Chunks(rows);
        _threads.ForEach(chunks.Length, chunk => Run(chunks[chunk]));
        _unet?.Predict(passes);
        foreach (PlacedRow row in rows.Where(row => row.Pass.Keeps))
            row.Pass.Cache.Advance(row.Count);
    }

    public void Dispose()
    {
        foreach (IDisposable? part in (IDisposable?[])[_threads, _languageHead, _patchProjection, _patchHead, _unet, .. _blocks, .. _buffers])
            part?.Dispose();
    }

    /// <summary>Whole rows, as many chunks for each thread, and as even as whole rows allow: the longest first, each to the chunk that has least.</summary>
    private PlacedRow[][] Chunks(List<PlacedRow> rows)
    {
        int rounds = Math.Max(1, (rows.Sum(row => row.Count) + Threads * ChunkPositions - 1) / (Threads * ChunkPositions));
        var chunks = new PriorityQueue<List<PlacedRow>, int>(Enumerable.Range(0, Math.Min(rows.Count, Threads * rounds)).Select(_ => (new List<PlacedRow>(), 0)));
        foreach (PlacedRow row in rows.OrderByDescending(row => row.Count))
        {
            chunks.TryPeek(out List<PlacedRow>? least, out int positions);
            least!.Add(row);
            chunks.DequeueEnqueue(least, positions + row.Count);
        }
        return [.. chunks.UnorderedItems.Select(chunk => chunk.Element.ToArray())];
    }

    private void Run(PlacedRow[] rows)
    {
        int positions = 0;
        foreach (PlacedRow row in rows)
            (row.First, positions) = (positions, positions + row.Count);
        if (positions > KeptPositions || !_buffers.TryTake(out PassBuffers? buffers))
            buffers = new PassBuffers(_config, Math.Max(positions, KeptPositions));
        try
        {
            Run(rows, positions, buffers);
        }
        finally
        {
            if (positions > KeptPositions)
                buffers.Dispose();
            else
                _buffers.Add(buffers);
        }
    }

    private void Run(PlacedRow[] rows, int positions, PassBuffers buffers)
    {
        foreach (PlacedRow row in rows)
            Embed(row, buffers);
        fixed (float* turns = _turns)
            for (int layer = 0; layer < _blocks.Length; layer++)
                _blocks[layer].Run(layer, rows, positions, turns, buffers);
        foreach (PlacedRow row in rows)
            row.Pass.Result = row.Pass.Wanted switch
            {
                PassResult.LastLogits => Head(_languageHead, Vocabulary, row.First + row.Count - 1, 1, buffers),
                PassResult.Logits => Head(_languageHead, Vocabulary, row.First, row.Count, buffers),
                PassResult.Patches when _patchHead is null => Normalized(row.First + row.Count - _network.PatchCount, _network.PatchCount, buffers),
                PassResult.Patches => Head(_patchHead, _network.PatchVectorSize, row.First + row.Count - _network.PatchCount, _network.PatchCount, buffers),
                _ => [],
            };
    }

    private void Embed(PlacedRow row, PassBuffers buffers)
    {
        float* hidden = buffers.Hidden + (nint)row.First * buffers.HiddenStride;
        foreach (PassPart part in row.Pass.Parts)
        {
            if (part.TokenIds is { } ids)
            {
                foreach (int id in ids)
                {
                    _tokens.AsSpan(id * _config.HiddenSize, _config.HiddenSize).CopyTo(new Span<float>(hidden, _config.HiddenSize));
                    hidden += buffers.HiddenStride;
                }
                continue;
            }
            if (_unet is not null)
                Copy(_unet.VectorsOf(part), hidden, buffers.HiddenStride);
            else
                EmbedPatches(part.Patches!, _times[part.Timestep], hidden);
            hidden += (nint)_network.PatchCount * buffers.HiddenStride;
        }
    }

    /// <summary>The timestep embedding is added to every patch vector, then one linear layer (Transfusion §4.1).</summary>
    private void EmbedPatches(float[] patches, float[] time, float* hidden)
    {
        float[] timed = new float[patches.Length];
        for (int at = 0; at < timed.Length; at += time.Length)
            TensorPrimitives.Add(patches.AsSpan(at, time.Length), time, timed.AsSpan(at));
        fixed (float* x = timed)
            _patchProjection!.Multiply(x, time.Length, hidden, timed.Length / time.Length);
        for (int patch = 0; _positions is not null && patch < timed.Length / time.Length; patch++)
        {
            var embedded = new Span<float>(hidden + (nint)patch * _patchProjection.Stride, _config.HiddenSize);
            TensorPrimitives.Add(embedded, _positions.AsSpan(patch * _config.HiddenSize, _config.HiddenSize), embedded);
        }
    }

    private void Copy(ReadOnlySpan<float> vectors, float* hidden, int stride)
    {
        for (int at = 0; at < vectors.Length; at += _config.HiddenSize, hidden += stride)
            vectors.Slice(at, _config.HiddenSize).CopyTo(new Span<float>(hidden, _config.HiddenSize));
    }

    /// <summary>Hidden states that have passed the final norm, one after the other.</summary>
    private float[] Normalized(int first, int count, PassBuffers buffers)
    {
        buffers.Normalize(first, count, _norm, _config.NormEpsilon);
        float[] values = new float[count * _config.HiddenSize];
        for (int row = 0; row < count; row++)
            new Span<float>(buffers.Normalized + (nint)(first + row) * buffers.HiddenStride, _config.HiddenSize).CopyTo(values.AsSpan(row * _config.HiddenSize));
        return values;
    }

    private float[] Head(PackedMatrix head, int outputs, int first, int count, PassBuffers buffers)
    {
        float* results = (float*)NativeMemory.Alloc((nuint)count * (nuint)head.Stride * sizeof(float));
        try
        {
            buffers.Normalize(first, count, _norm, _config.NormEpsilon);
            head.Multiply(buffers.Normalized + (nint)first * buffers.HiddenStride, buffers.HiddenStride, results, count);
            float[] values = new float[count * outputs];
            for (int row = 0; row < count; row++)
                new Span<float>(results + (nint)row * head.Stride, outputs).CopyTo(values.AsSpan(row * outputs));
            return values;
        }
        finally
        {
            NativeMemory.Free(results);
        }
    }
}

/// <summary>A row of a pass, and where its positions lie in the buffers.</summary>
internal sealed class PlacedRow
{
    public PlacedRow(RowPass pass, TransformerConfig config)
    {
        (Pass, Start) = (pass, pass.Cache.Length);
        var visible = new List<int>();
        foreach (PassPart part in pass.Parts)
        {
            int count = part.TokenIds?.Length ?? part.PatchCount;
            if (part.TokenIds is not null || config.CausalImages)
                visible.AddRange(Enumerable.Range(Start + visible.Count + 1, count));
            else
                visible.AddRange(Enumerable.Repeat(Start + visible.Count + count, count));
        }
        Visible = [.. visible];
        int room = Math.Min(pass.Cache.Capacity, config.MaxSequenceLength);
        if (Start + Count > room)
            throw new InvalidOperationException($"The sequence has {Start + Count} positions; there is room for {room}.");
    }

    public RowPass Pass { get; }

    /// <summary>The row's position that comes first in this pass.</summary>
    public int Start { get; }

    /// <summary>For every position of the pass how many of the row it sees, from the first on.</summary>
    public int[] Visible { get; }

    public int Count => Visible.Length;

    /// <summary>Where the row begins in the buffers.</summary>
    public int First { get; set; }
}
