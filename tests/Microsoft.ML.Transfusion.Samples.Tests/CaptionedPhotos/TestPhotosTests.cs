using CaptionedPhotos;

namespace Microsoft.ML.Transfusion.Samples.Tests.CaptionedPhotos;

public class TestPhotosTests
{
    [Fact]
    public void Choose_takes_a_hundred_of_each_of_ten_classes()
    {
        var chosen = TestPhotos.Choose(Photos(classes: 10, each: 250), seed: 1);
        Assert.Equal(1000, chosen.Distinct().Count());
        Assert.All(chosen.GroupBy(photo => photo.Caption), alike => Assert.Equal(100, alike.Count()));
    }

    [Theory]
    [InlineData(1, 250, 100)]
    [InlineData(3000, 1, 1000)]
    [InlineData(30, 10, 300)]
    public void Choose_takes_what_there_is_up_to_its_limits(int classes, int each, int expected) =>
        Assert.Equal(expected, TestPhotos.Choose(Photos(classes, each), seed: 1).Distinct().Count());

    [Fact]
    public void Choose_repeats_itself_for_one_seed_only()
    {
        Assert.Equal(Paths(seed: 1), Paths(seed: 1));
        Assert.NotEqual(Paths(seed: 1), Paths(seed: 2));
    }

    private static string[] Paths(int seed) => [.. TestPhotos.Choose(Photos(classes: 2, each: 300), seed).Select(photo => photo.ImagePath)];

    private static IEnumerable<Photo> Photos(int classes, int each) =>
        from number in Enumerable.Range(0, classes * each)
        select new Photo { ImagePath = $"{number}.jpg", Caption = $"class {number / each}" };
}
