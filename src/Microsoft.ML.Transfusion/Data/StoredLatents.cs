// Latents in a DataCache: a byte a value where that is exact, as it is for the pixels of a picture that needed no resampling; else 16 bits.
using System.Runtime.InteropServices;
using Microsoft.ML.Transfusion.Imaging;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

internal static class StoredLatents
{
    private static readonly float[] Levels = [.. Enumerable.Range(0, 256).Select(level => ImageTensors.ValueOf((byte)level))];

    /// <param name="latents">Float tensor of any shape, on the CPU.</param>
    /// <param name="cache">Takes the values.</param>
    /// <param name="is8Bit">Whether they took a byte each.</param>
    /// <returns>Where they are.</returns>
    public static long Write(Tensor latents, DataCache cache, out bool is8Bit)
    {
        using var scope = NewDisposeScope();
        ReadOnlySpan<float> values = MemoryMarshal.Cast<byte, float>(latents.to(ScalarType.Float32).contiguous().bytes);
        byte[] levels = new byte[values.Length];
        is8Bit = TryRound(values, levels);
        if (is8Bit)
        {
            levels.CopyTo(cache.Allocate(levels.Length, out long address));
            return address;
        }
        Span<Half> halves = MemoryMarshal.Cast<byte, Half>(cache.Allocate(values.Length * sizeof(ushort), out long place));
        for (int i = 0; i < halves.Length; i++)
            halves[i] = (Half)values[i];
        return place;
    }

    /// <summary>A new 32-bit tensor in the caller's dispose scope.</summary>
    public static Tensor Read(DataCache cache, long address, bool is8Bit, ReadOnlySpan<long> shape)
    {
        Tensor latents = empty(shape, dtype: ScalarType.Float32, device: CPU);
        Span<float> values = MemoryMarshal.Cast<byte, float>(latents.bytes);
        if (is8Bit)
        {
            ReadOnlySpan<byte> levels = cache.At(address, values.Length);
            for (int i = 0; i < values.Length; i++)
                values[i] = Levels[levels[i]];
        }
        else
        {
            ReadOnlySpan<Half> halves = cache.At<Half>(address, values.Length);
            for (int i = 0; i < values.Length; i++)
                values[i] = (float)halves[i];
        }
        return latents;
    }

    /// <summary>All 32 bits of every value, whose range nobody knows.</summary>
    /// <returns>Where they are.</returns>
    public static long WriteExact(Tensor values, DataCache cache)
    {
        values.bytes.CopyTo(cache.Allocate(values.bytes.Length, out long address));
        return address;
    }

    /// <summary>A new 32-bit tensor in the caller's dispose scope.</summary>
    public static Tensor ReadExact(DataCache cache, long address, ReadOnlySpan<long> shape)
    {
        Tensor values = empty(shape, dtype: ScalarType.Float32, device: CPU);
        cache.At(address, values.bytes.Length).CopyTo(values.bytes);
        return values;
    }

    private static bool TryRound(ReadOnlySpan<float> values, Span<byte> levels)
    {
        for (int i = 0; i < values.Length; i++)
        {
            byte level = ImageTensors.LevelOf(values[i]);
            if (Levels[level] != values[i])
                return false;
            levels[i] = level;
        }
        return true;
    }
}
