// The whole little world, for tests that can afford to look at all of it.
using Shapes.Data;

namespace Microsoft.ML.Transfusion.Samples.Tests.Shapes;

internal static class EveryComposition
{
    public static IEnumerable<ColoredShape> Objects() =>
        from size in Enum.GetValues<ShapeSize>()
        from color in Enum.GetValues<ShapeColor>()
        from kind in Enum.GetValues<ShapeKind>()
        select new ColoredShape(size, color, kind);

    public static IEnumerable<Composition> Singles() => Objects().Select(Composition.Of);

    public static IEnumerable<Composition> Pairs() =>
        from first in Objects()
        from relation in (Relation[])[Relation.Above, Relation.LeftOf]
        from second in Objects()
        select Composition.Of(first, relation, second);
}
