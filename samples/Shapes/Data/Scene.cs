// Objects at places: what the renderer draws. Only the renderer and the sampler see scenes; the oracle sees pixels.
namespace Shapes.Data;

/// <summary>An object and the pixel corner its middle lies on, from the picture's top left.</summary>
internal readonly record struct PlacedShape(ColoredShape Shape, int X, int Y);

/// <summary>One object, or two of which <see cref="Composition"/> tells the relation.</summary>
internal sealed record Scene(Composition Composition, IReadOnlyList<PlacedShape> Objects);
