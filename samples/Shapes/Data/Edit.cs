// A change to a scene and the sentence that asks for it:
//   instruction := "make the" object colour | "turn the" object "into a" kind        object := [size | colour] kind, as much as tells the two apart
namespace Shapes.Data;

/// <summary>A scene before and after, and what was asked.</summary>
internal sealed record Edit(Scene Source, string Instruction, Scene Edited)
{
    /// <summary>An edit of a scene on the asked-for side of the split. In training neither scene is held out; of held-out sources the edited one may be either.</summary>
    public static Edit Next(Random random, bool heldOut)
    {
        while (true)
        {
            Scene source = SceneSampler.Next(random, heldOut);
            int at = random.Next(source.Objects.Count);
            ColoredShape before = source.Objects[at].Shape;
            if (Name(source, at) is not { } name)
                continue;
            bool colors = random.Next(2) == 0;
            ColoredShape after = colors ? before with { Color = Other(random, before.Color) } : before with { Kind = Other(random, before.Kind) };
            Scene edited = Replace(source, at, after);
            if (heldOut || !HeldOut.Contains(edited.Composition))
                return new Edit(source, colors ? $"make the {name} {Word(after.Color)}" : $"turn the {name} into a {Word(after.Kind)}", edited);
        }
    }

    /// <summary>The fewest words that mean this object and no other; null: the two are alike.</summary>
    private static string? Name(Scene scene, int at)
    {
        ColoredShape own = scene.Objects[at].Shape;
        ColoredShape[] others = [.. scene.Objects.Where((_, other) => other != at).Select(placed => placed.Shape)];
        if (others.All(other => other.Kind != own.Kind))
            return Word(own.Kind);
        if (others.All(other => other.Color != own.Color))
            return $"{Word(own.Color)} {Word(own.Kind)}";
        return others.All(other => other.Size != own.Size) ? $"{Word(own.Size)} {Word(own.Kind)}" : null;
    }

    private static Scene Replace(Scene scene, int at, ColoredShape shape)
    {
        // Objects stand in the composition's order: the sampler makes the upper or left one first.
        Composition composition = scene.Composition is not { Relation: { } relation, Second: { } second } ? Composition.Of(shape)
            : at == 0 ? Composition.Of(shape, relation, second) : Composition.Of(scene.Composition.First, relation, shape);
        return new Scene(composition, [.. scene.Objects.Select((placed, number) => number == at ? placed with { Shape = shape } : placed)]);
    }

    private static T Other<T>(Random random, T value) where T : struct, Enum
    {
        T[] others = [.. Enum.GetValues<T>().Where(other => !EqualityComparer<T>.Default.Equals(other, value))];
        return others[random.Next(others.Length)];
    }

    private static string Word<T>(T value) where T : struct, Enum => value.ToString().ToLowerInvariant();
}
