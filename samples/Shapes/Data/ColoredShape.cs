// The words of the little world: what an object can look like, and how two objects can lie to each other.
namespace Shapes.Data;

internal enum ShapeSize { Small, Large }

internal enum ShapeColor { Red, Green, Blue, Yellow, Magenta, Cyan }

internal enum ShapeKind { Circle, Square, Triangle, Cross }

internal enum Relation { Above, Below, LeftOf, RightOf }

/// <summary>One object as a caption names it: 2 sizes × 6 colours × 4 kinds make 48.</summary>
internal readonly record struct ColoredShape(ShapeSize Size, ShapeColor Color, ShapeKind Kind);
