// The grammar of captions, both ways:
//   caption := object | object relation object        object := "a" size colour kind        relation := "above" | "below" | "left of" | "right of"
namespace Shapes.Data;

internal static class Caption
{
    private static readonly (Relation Relation, string Words)[] Relations =
        [(Relation.Above, "above"), (Relation.Below, "below"), (Relation.LeftOf, "left of"), (Relation.RightOf, "right of")];

    /// <summary>The caption of a composition. With two objects there are two wordings, one for each object that can come first.</summary>
    public static string Write(Composition composition, bool secondFirst = false)
    {
        if (composition is not { Relation: { } relation, Second: { } second })
            return Words(composition.First);
        return secondFirst
            ? $"{Words(second)} {Words(Opposite(relation))} {Words(composition.First)}"
            : $"{Words(composition.First)} {Words(relation)} {Words(second)}";
    }

    /// <summary>A caption as people word them: four in five name the upper or left object first.</summary>
    public static string Write(Composition composition, Random random) => Write(composition, secondFirst: random.Next(5) == 0);

    /// <summary>What a caption says, or null where it is not a sentence of the grammar.</summary>
    public static Composition? Parse(string caption)
    {
        foreach ((Relation relation, string words) in Relations)
        {
            if (caption.Split($" {words} ") is [string left, string right])
                return ParseObject(left) is { } first && ParseObject(right) is { } second ? Composition.Of(first, relation, second) : null;
        }
        return ParseObject(caption) is { } only ? Composition.Of(only) : null;
    }

    private static ColoredShape? ParseObject(string text) =>
        text.Split(' ') is ["a", string size, string color, string kind]
        && TryParse(size, out ShapeSize s) && TryParse(color, out ShapeColor c) && TryParse(kind, out ShapeKind k)
            ? new ColoredShape(s, c, k) : null;

    private static bool TryParse<T>(string word, out T value) where T : struct, Enum
    {
        foreach (T candidate in Enum.GetValues<T>())
        {
            value = candidate;
            if (Word(candidate) == word)
                return true;
        }
        value = default;
        return false;
    }

    private static string Words(ColoredShape shape) => $"a {Word(shape.Size)} {Word(shape.Color)} {Word(shape.Kind)}";

    private static string Words(Relation relation) => Relations.First(entry => entry.Relation == relation).Words;

    private static string Word<T>(T value) where T : struct, Enum => value.ToString().ToLowerInvariant();

    private static Relation Opposite(Relation relation) => relation switch
    {
        Relation.Above => Relation.Below,
        Relation.Below => Relation.Above,
        Relation.LeftOf => Relation.RightOf,
        _ => Relation.LeftOf,
    };
}
