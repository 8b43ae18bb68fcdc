// Which test pictures are captioned: a fair share of every class.
namespace CaptionedPhotos;

internal static class TestPhotos
{
    private const int MostInAll = 1000;
    private const int MostPerCaption = 100;                        // a class folder gives all its pictures one caption

    /// <summary>Up to 1,000 pictures, up to 100 of one caption: ten classes give 100 each.</summary>
    public static IReadOnlyList<Photo> Choose(IEnumerable<Photo> photos, int seed)
    {
        Photo[] shuffled = [.. photos];
        new Random(seed).Shuffle(shuffled);
        return [.. shuffled.GroupBy(photo => photo.Caption).SelectMany(alike => alike.Index().Take(MostPerCaption))
            .OrderBy(entry => entry.Index)                         // where there are more captions than room, the first of each comes first
            .Select(entry => entry.Item)
            .Take(MostInAll)];
    }
}
