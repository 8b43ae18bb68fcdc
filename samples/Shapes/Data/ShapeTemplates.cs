// Tells a shape's kind and size by laying the renderer's own shapes over it, a half pixel at a time, and taking the best fit.
namespace Shapes.Data;

internal static class ShapeTemplates
{
    /// <summary>Side of the window that is compared; a large shape fits in it at every offset.</summary>
    public const int WindowSide = 20;

    private const float LargestOffset = 2;
    private const float OffsetStep = 0.5f;

    /// <summary>Both sizes and a third that is neither: without it a middling circle would be taken for a small square.</summary>
    private static readonly (ShapeSize? Size, float Radius)[] Sizes =
    [
        (ShapeSize.Small, Renderer.Radius(ShapeSize.Small)),
        (null, (Renderer.Radius(ShapeSize.Small) + Renderer.Radius(ShapeSize.Large)) / 2f),
        (ShapeSize.Large, Renderer.Radius(ShapeSize.Large)),
    ];

    private static readonly ShapeTemplate[] All = [.. Render()];

    /// <summary>The template that fits best, how well it fits, and how well the best one of any other kind or size does.</summary>
    /// <param name="coverage">The share of every pixel of the window that the object covers.</param>
    public static (ShapeTemplate Best, double Overlap, double RunnerUp) Match(float[] coverage)
    {
        var fits = All.Select(template => (Template: template, Overlap: Overlap(template.Coverage, coverage))).ToArray();
        var best = fits.MaxBy(fit => fit.Overlap);
        double runnerUp = fits.Where(fit => fit.Template.Kind != best.Template.Kind || fit.Template.Size != best.Template.Size).Max(fit => fit.Overlap);
        return (best.Template, best.Overlap, runnerUp);
    }

    /// <summary>Intersection over union of two soft masks: Σ min / Σ max, in [0, 1].</summary>
    public static double Overlap(ReadOnlySpan<float> one, ReadOnlySpan<float> other)
    {
        double intersection = 0, union = 0;
        for (int pixel = 0; pixel < one.Length; pixel++)
        {
            intersection += Math.Min(one[pixel], other[pixel]);
            union += Math.Max(one[pixel], other[pixel]);
        }
        return union > 0 ? intersection / union : 0;
    }

    private static IEnumerable<ShapeTemplate> Render()
    {
        foreach (ShapeKind kind in Enum.GetValues<ShapeKind>())
        {
            foreach ((ShapeSize? size, float radius) in Sizes)
            {
                for (float x = -LargestOffset; x <= LargestOffset; x += OffsetStep)
                {
                    for (float y = -LargestOffset; y <= LargestOffset; y += OffsetStep)
                        yield return new ShapeTemplate(kind, size, x, y, Renderer.Coverage(kind, radius, x, y, WindowSide));
                }
            }
        }
    }
}

/// <summary>The pixels that a shape covers whose middle lies (X, Y) off the window's.</summary>
internal sealed record ShapeTemplate(ShapeKind Kind, ShapeSize? Size, float X, float Y, float[] Coverage);
