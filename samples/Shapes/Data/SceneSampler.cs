// Draws scenes at random. Nine places, whole-pixel jitter; two objects lie two places apart along the axis of their relation and at most
// one place apart along the other, so exactly one of left, right, above and below is true of them.
namespace Shapes.Data;

internal static class SceneSampler
{
    /// <summary>Whole pixels that an object's middle may lie off its place, in both directions.</summary>
    public const int Jitter = 1;

    private const double TwoObjectShare = 2 / 3.0;
    private const int PlacesPerSide = 3;
    private const int FirstPlace = 7;                              // jitter and the large radius fit between it and the border,
    private const int PlaceSpacing = 9;                            // and four clear pixels between two large objects

    /// <summary>A scene whose composition is on the asked-for side of the split (<see cref="HeldOut"/>); two in three have two objects on both sides.</summary>
    public static Scene Next(Random random, bool heldOut)
    {
        bool two = random.NextDouble() < TwoObjectShare;
        while (true)
        {
            Scene scene = two ? Two(random) : One(random);
            if (HeldOut.Contains(scene.Composition) == heldOut)
                return scene;
        }
    }

    private static Scene One(Random random)
    {
        ColoredShape only = Shape(random);
        return new Scene(Composition.Of(only), [Place(random, only, random.Next(PlacesPerSide), random.Next(PlacesPerSide))]);
    }

    private static Scene Two(Random random)
    {
        const int Start = 0, End = PlacesPerSide - 1;
        ColoredShape first = Shape(random), second = Shape(random);
        (int near, int far) = NeighbouringPlaces(random);
        return random.Next(2) == 0
            ? new Scene(Composition.Of(first, Relation.Above, second), [Place(random, first, near, Start), Place(random, second, far, End)])
            : new Scene(Composition.Of(first, Relation.LeftOf, second), [Place(random, first, Start, near), Place(random, second, End, far)]);
    }

    private static (int, int) NeighbouringPlaces(Random random)
    {
        while (true)
        {
            int one = random.Next(PlacesPerSide), other = random.Next(PlacesPerSide);
            if (Math.Abs(one - other) <= 1)
                return (one, other);
        }
    }

    private static ColoredShape Shape(Random random) => new(
        (ShapeSize)random.Next(Enum.GetValues<ShapeSize>().Length),
        (ShapeColor)random.Next(Enum.GetValues<ShapeColor>().Length),
        (ShapeKind)random.Next(Enum.GetValues<ShapeKind>().Length));

    private static PlacedShape Place(Random random, ColoredShape shape, int column, int row) => new(shape, Position(random, column), Position(random, row));

    private static int Position(Random random, int place) => FirstPlace + PlaceSpacing * place + random.Next(-Jitter, Jitter + 1);
}
