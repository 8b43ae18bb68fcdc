// What a picture shows and a caption says, without places and without wording: "a above b" and "b below a" are one composition.
// Captions and pictures are compared as compositions.
namespace Shapes.Data;

/// <summary>One object, or two and their relation. The relation is always Above or LeftOf, so equal meanings are equal values.</summary>
internal readonly record struct Composition
{
    private Composition(ColoredShape first, Relation? relation, ColoredShape? second) =>
        (First, Relation, Second) = (first, relation, second);

    public ColoredShape First { get; }

    public Relation? Relation { get; }

    public ColoredShape? Second { get; }

    public static Composition Of(ColoredShape only) => new(only, null, null);

    public static Composition Of(ColoredShape first, Relation relation, ColoredShape second) => relation switch
    {
        Data.Relation.Below => new(second, Data.Relation.Above, first),
        Data.Relation.RightOf => new(second, Data.Relation.LeftOf, first),
        _ => new(first, relation, second),
    };
}
