// Cuts a picture into background and connected regions that are not background.
namespace Shapes.Data;

internal static class Blobs
{
    /// <summary>
    /// Groups of 8-connected pixels (as indices y · side + x) farther than <paramref name="threshold"/> from the background, largest first.
    /// </summary>
    public static List<int[]> Find(ReadOnlySpan<Rgb> pixels, int side, double threshold)
    {
        bool[] unseen = new bool[pixels.Length];
        for (int pixel = 0; pixel < pixels.Length; pixel++)
            unseen[pixel] = pixels[pixel].DistanceTo(Palette.Background) > threshold;
        List<int[]> blobs = [];
        for (int pixel = 0; pixel < unseen.Length; pixel++)
        {
            if (unseen[pixel])
                blobs.Add(Flood(unseen, side, pixel));
        }
        return [.. blobs.OrderByDescending(blob => blob.Length)];
    }

    /// <summary>A blob and the pixels that touch it: the antialiased rim belongs to the object.</summary>
    public static HashSet<int> WithRim(int[] blob, int side) => [.. blob.SelectMany(pixel => Neighbours(pixel, side).Append(pixel))];

    /// <summary>The pixels of a blob all of whose four next neighbours belong to it: no rim, so no mixed colours.</summary>
    public static int[] Core(int[] blob, int side)
    {
        HashSet<int> members = [.. blob];
        return [.. blob.Where(pixel => members.Contains(pixel - 1) && members.Contains(pixel + 1) && members.Contains(pixel - side) && members.Contains(pixel + side))];
    }

    private static int[] Flood(bool[] unseen, int side, int start)
    {
        List<int> found = [start];
        unseen[start] = false;
        for (int next = 0; next < found.Count; next++)
        {
            foreach (int neighbour in Neighbours(found[next], side).Where(pixel => unseen[pixel]))
            {
                unseen[neighbour] = false;
                found.Add(neighbour);
            }
        }
        return [.. found];
    }

    private static IEnumerable<int> Neighbours(int pixel, int side)
    {
        (int row, int column) = (pixel / side, pixel % side);
        for (int y = Math.Max(row - 1, 0); y <= Math.Min(row + 1, side - 1); y++)
        {
            for (int x = Math.Max(column - 1, 0); x <= Math.Min(column + 1, side - 1); x++)
            {
                if ((y, x) != (row, column))
                    yield return y * side + x;
            }
        }
    }
}
