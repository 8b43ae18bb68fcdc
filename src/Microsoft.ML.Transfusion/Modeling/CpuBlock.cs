// One block of a pass for generation on a CPU, in place: what TransformerBlock does.
using System.Runtime.InteropServices;
using Microsoft.ML.Transfusion.Torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed unsafe class CpuBlock(
    TransformerConfig config, float[] attentionNorm, PackedMatrix queriesKeysValues, PackedMatrix output, (float[] Query, float[] Key)? headNorms,
    float[] feedForwardNorm, PackedMatrix gate, PackedMatrix up, PackedMatrix down) : IDisposable
{
    /// <param name="rows">The rows whose positions are in the buffers.</param>
    /// <param name="turns"><see cref="HeadRows.Turns"/> of all positions.</param>
    public void Run(int layer, PlacedRow[] rows, int positions, float* turns, PassBuffers buffers)
    {
        float* input = Enter(positions, attentionNorm, buffers);
        queriesKeysValues.Multiply(input, buffers.HiddenStride, buffers.Joined, positions);
        if (headNorms is { } norms)
            NormalizeHeads(buffers, positions, norms);
        for (int row = 0; row < rows.Length; row++)
            PackedAttention.Attend(rows[row], rows.ElementAtOrDefault(row + 1), layer, config, turns, buffers);
        Leave(output, buffers.Attended, buffers.AttendedStride, positions, attentionNorm, buffers);

        input = Enter(positions, feedForwardNorm, buffers);
        gate.Multiply(input, buffers.HiddenStride, buffers.Gate, positions);
        up.Multiply(input, buffers.HiddenStride, buffers.Up, positions);
        for (int position = 0; position < positions; position++)
        {
            float* gated = buffers.Gate + (nint)position * gate.Stride;
            SwiGlu.Forward<Float32Lanes>(gated, buffers.Up + (nint)position * up.Stride, gated, config.FeedForward);
        }
        Leave(down, buffers.Gate, gate.Stride, positions, feedForwardNorm, buffers);
    }

    public void Dispose()
    {
        foreach (PackedMatrix matrix in (PackedMatrix[])[queriesKeysValues, output, gate, up, down])
            matrix.Dispose();
    }

    /// <summary>What a layer takes.</summary>
    private float* Enter(int positions, float[] norm, PassBuffers buffers)
    {
        if (config.PostNorm)
            return buffers.Hidden;
        buffers.Normalize(0, positions, norm, config.NormEpsilon);
        return buffers.Normalized;
    }

    /// <summary>A layer's last product, and into the residual stream with it.</summary>
    private void Leave(PackedMatrix product, float* values, int stride, int positions, float[] norm, PassBuffers buffers)
    {
        product.Multiply(values, stride, config.PostNorm ? buffers.Normalized : buffers.Hidden, positions, add: !config.PostNorm);
        if (config.PostNorm)
            buffers.AddNormalized(positions, norm, config.NormEpsilon);
    }

    private void NormalizeHeads(PassBuffers buffers, int positions, (float[] Query, float[] Key) norms)
    {
        fixed (float* query = norms.Query, key = norms.Key)
            for (int position = 0; position < positions; position++)
                for (int head = 0; head < config.NumberOfHeads + config.KeyValueHeads; head++)
                {
                    float* values = buffers.Joined + (nint)position * buffers.JoinedStride + head * config.HeadSize;
                    RmsNormKernel.Forward<Float32Lanes>(values, head < config.NumberOfHeads ? query : key, values, config.HeadSize, config.NormEpsilon);
                }
    }
}

/// <summary>The activations of the positions that are computed together, in rows of whole panels.</summary>
internal sealed unsafe class PassBuffers : IDisposable
{
    private const int Alignment = 64;
    private readonly int _size;

    public PassBuffers(TransformerConfig config, int positions)
    {
        _size = config.HiddenSize;
        HiddenStride = PackedMatrix.StrideOf(config.HiddenSize);
        JoinedStride = PackedMatrix.StrideOf((config.NumberOfHeads + 2 * config.KeyValueHeads) * config.HeadSize);
        AttendedStride = PackedMatrix.StrideOf(config.NumberOfHeads * config.HeadSize);
        int feedForward = PackedMatrix.StrideOf(config.FeedForward);
        nuint numbers = (nuint)positions * (nuint)(2 * HiddenStride + JoinedStride + AttendedStride + 2 * feedForward);
        Hidden = (float*)NativeMemory.AlignedAlloc(numbers * sizeof(float), Alignment);
        Normalized = Hidden + (nint)positions * HiddenStride;
        Joined = Normalized + (nint)positions * HiddenStride;
        Attended = Joined + (nint)positions * JoinedStride;
        Gate = Attended + (nint)positions * AttendedStride;
        Up = Gate + (nint)positions * feedForward;
    }

    public int HiddenStride { get; }

    public int JoinedStride { get; }

    public int AttendedStride { get; }

    /// <summary>The residual stream.</summary>
    public float* Hidden { get; }

    public float* Normalized { get; }

    /// <summary>Queries, keys and values side by side.</summary>
    public float* Joined { get; }

    public float* Attended { get; }

    public float* Gate { get; }

    public float* Up { get; }

    /// <summary><see cref="Hidden"/> → <see cref="Normalized"/>.</summary>
    public void Normalize(int first, int count, float[] weight, double epsilon)
    {
        fixed (float* w = weight)
            for (int position = first; position < first + count; position++)
                RmsNormKernel.Forward<Float32Lanes>(Hidden + (nint)position * HiddenStride, w, Normalized + (nint)position * HiddenStride, _size, epsilon);
    }

    /// <summary><see cref="Normalized"/>, normalized, joins <see cref="Hidden"/>.</summary>
    public void AddNormalized(int count, float[] weight, double epsilon)
    {
        fixed (float* w = weight)
            for (int position = 0; position < count; position++)
            {
                float* values = Normalized + (nint)position * HiddenStride;
                RmsNormKernel.Forward<Float32Lanes>(values, w, values, _size, epsilon);
                float* sums = Hidden + (nint)position * HiddenStride;
                for (int i = 0; i < _size; i++)
                    sums[i] += values[i];
            }
    }

    public void Dispose() => NativeMemory.AlignedFree(Hidden);
}
