// The colours. Any two of them, and any one and the background, are at least 200 apart in RGB, so a drawing may be well off and still be told.
namespace Shapes.Data;

internal static class Palette
{
    public static readonly Rgb Background = new(255, 255, 255);

    public static Rgb Of(ShapeColor color) => color switch
    {
        ShapeColor.Red => new(230, 20, 20),
        ShapeColor.Green => new(20, 190, 20),
        ShapeColor.Blue => new(20, 20, 230),
        ShapeColor.Yellow => new(240, 220, 0),
        ShapeColor.Magenta => new(230, 20, 230),
        ShapeColor.Cyan => new(0, 220, 230),
        _ => throw new ArgumentOutOfRangeException(nameof(color)),
    };

    public static ShapeColor Nearest(Rgb color) => Enum.GetValues<ShapeColor>().MinBy(candidate => Of(candidate).DistanceTo(color));
}
