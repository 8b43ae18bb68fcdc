// Large pictures in overlapping tiles, so that memory grows with a tile and not with the picture. Where tiles overlap they fade into each other.
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal static class Tiles
{
    private const int OverlapShare = 4;                     // a quarter of a tile lies in the next one

    /// <summary>What a function that changes the resolution by a fixed factor makes of a picture.</summary>
    /// <param name="input">[N, C, H, W].</param>
    /// <param name="side">Of a tile, in the input's places: a multiple of 4, and four times a multiple of what the function divides by.</param>
    /// <param name="map">[N, C, h, w] → [N, C', h·s, w·s].</param>
    public static Tensor Map(Tensor input, int side, Func<Tensor, Tensor> map)
    {
        (long height, long width) = (input.shape[2], input.shape[3]);
        if (height <= side && width <= side)
            return map(input);
        using var scope = NewDisposeScope();
        Tensor? sum = null, weights = null;
        foreach (long top in Starts(height, side))
        {
            foreach (long left in Starts(width, side))
            {
                using var inner = NewDisposeScope();
                Tensor tile = input.narrow(2, top, Math.Min(side, height)).narrow(3, left, Math.Min(side, width)), output = map(tile);
                (long rows, long columns) = (output.shape[2], output.shape[3]);
                long Scaled(long places) => places * rows / tile.shape[2];
                Tensor Place(Tensor whole) => whole.narrow(2, Scaled(top), rows).narrow(3, Scaled(left), columns);
                sum ??= zeros([input.shape[0], output.shape[1], Scaled(height), Scaled(width)], output.dtype, output.device).MoveToOuterDisposeScope();
                weights ??= zeros([1, 1, Scaled(height), Scaled(width)], output.dtype, output.device).MoveToOuterDisposeScope();
                Tensor weight = (Ramp(rows).view(-1, 1) * Ramp(columns)).to(output.dtype, output.device);
                Place(sum).AddInPlace(output * weight);
                Place(weights).AddInPlace(weight);
            }
        }
        return (sum! / weights!).MoveToOuterDisposeScope();
    }

    /// <summary>Where tiles begin; the last one ends where the picture does.</summary>
    private static IEnumerable<long> Starts(long size, int side)
    {
        int step = side - side / OverlapShare;
        for (long start = 0; start + side < size; start += step)
            yield return start;
        yield return Math.Max(0, size - side);
    }

    /// <summary>Weights across a tile, [n]: rising at its beginning, falling at its end, never 0.</summary>
    private static Tensor Ramp(long length)
    {
        double overlap = Math.Max(1, length / OverlapShare);
        return tensor(Enumerable.Range(0, (int)length).Select(at => (float)Math.Min(1, (Math.Min(at, length - 1 - at) + 0.5) / overlap)).ToArray());
    }
}
