using Shapes.Data;

namespace Microsoft.ML.Transfusion.Samples.Tests.Shapes;

public class SceneSamplerTests
{
    [Fact]
    public void HeldOut_takes_about_a_tenth_of_pairs_and_one_colour_for_each_kind_and_size()
    {
        Assert.InRange(EveryComposition.Pairs().Count(HeldOut.Contains) / (double)EveryComposition.Pairs().Count(), 0.08, 0.12);
        ColoredShape[] singles = [.. EveryComposition.Singles().Where(HeldOut.Contains).Select(composition => composition.First)];
        Assert.Equal(8, singles.Select(shape => (shape.Kind, shape.Size)).Distinct().Count());
        Assert.Equal(8, singles.Length);
        Assert.Equal(Enum.GetValues<ShapeColor>().Length, singles.Select(shape => shape.Color).Distinct().Count());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Next_stays_on_its_side_of_the_split(bool heldOut)
    {
        Random random = new(1);
        Assert.All(Enumerable.Range(0, 1000), _ => Assert.Equal(heldOut, HeldOut.Contains(SceneSampler.Next(random, heldOut).Composition)));
    }

    [Fact]
    public void Next_shows_every_object_while_training()
    {
        Random random = new(1);
        HashSet<ColoredShape> seen = [.. Enumerable.Range(0, 2000).SelectMany(_ => SceneSampler.Next(random, heldOut: false).Objects).Select(placed => placed.Shape)];
        Assert.Equal(EveryComposition.Objects().Count(), seen.Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Next_uses_nine_places_for_one_object_and_two_pictures_in_three_have_two(bool heldOut)
    {
        Random random = new(1);
        Scene[] scenes = [.. Enumerable.Range(0, 3000).Select(_ => SceneSampler.Next(random, heldOut))];
        Scene[] singles = [.. scenes.Where(scene => scene.Objects.Count == 1)];
        Assert.InRange(singles.Length, 850, 1150);
        Assert.Equal(81, singles.Select(scene => (scene.Objects[0].X, scene.Objects[0].Y)).Distinct().Count());     // 9 places × 9 jitters
    }

    [Fact]
    public void Next_keeps_objects_inside_and_apart_and_makes_one_relation_true()
    {
        Random random = new(1);
        for (int draw = 0; draw < 3000; draw++)
        {
            Scene scene = SceneSampler.Next(random, heldOut: draw % 2 == 0);
            Assert.All(scene.Objects, placed => Assert.InRange(placed.X, Renderer.LargeRadius, Renderer.Side - Renderer.LargeRadius));
            Assert.All(scene.Objects, placed => Assert.InRange(placed.Y, Renderer.LargeRadius, Renderer.Side - Renderer.LargeRadius));
            if (scene.Objects is [var first, var second])
            {
                (int x, int y) = (second.X - first.X, second.Y - first.Y);
                (int along, int across) = scene.Composition.Relation == Relation.Above ? (y, x) : (x, y);
                Assert.InRange(along, 2 * Renderer.LargeRadius + 4, Renderer.Side);
                Assert.True(Math.Abs(across) < along);
            }
        }
    }

    [Fact]
    public void Next_repeats_itself_for_one_seed()
    {
        Random one = new(7), other = new(7);
        Assert.All(Enumerable.Range(0, 50), _ => Assert.Equal(
            Renderer.Render(SceneSampler.Next(one, heldOut: false)), Renderer.Render(SceneSampler.Next(other, heldOut: false))));
    }
}
