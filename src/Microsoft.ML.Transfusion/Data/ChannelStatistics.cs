// Mean and spread of each channel over all vectors, as they come (Welford 1962).
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class ChannelStatistics(int channels)
{
    private readonly double[] _means = new double[channels], _squares = new double[channels];
    private long _count;

    /// <summary>Mean of each channel.</summary>
    public float[] Mean => [.. _means.Select(mean => (float)mean)];

    /// <summary>Standard deviation of each channel; 1 where all values are alike, which leaves them alone.</summary>
    public float[] StandardDeviation => [.. _squares.Select(sum => Math.Sqrt(sum / Math.Max(1, _count))).Select(spread => spread > 0 ? (float)spread : 1)];

    /// <param name="values">32-bit, [channels, 1, length].</param>
    public void Add(Tensor values)
    {
        ReadOnlySpan<float> all = MemoryMarshal.Cast<byte, float>(values.bytes);
        int length = all.Length / channels;
        for (int channel = 0; channel < channels; channel++)
        {
            long count = _count;
            foreach (float value in all.Slice(channel * length, length))
            {
                double difference = value - _means[channel];
                _means[channel] += difference / ++count;
                _squares[channel] += difference * (value - _means[channel]);
            }
        }
        _count += length;
    }
}
