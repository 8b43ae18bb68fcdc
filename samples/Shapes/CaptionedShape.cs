// A row of the sample's data: what ML.NET sees of a scene.
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using Shapes.Data;

namespace Shapes;

/// <summary>A picture and its caption.</summary>
public sealed class CaptionedShape
{
    [ImageType(Renderer.Side, Renderer.Side)]
    public MLImage? Image { get; set; }

    public string Caption { get; set; } = "";

    /// <summary>Draws and captions scenes, the same ones whenever it is enumerated; pictures are drawn as they are read, not kept.</summary>
    internal static IEnumerable<CaptionedShape> Sample(int count, int seed, bool heldOut)
    {
        Random random = new(seed);
        for (int drawn = 0; drawn < count; drawn++)
        {
            Scene scene = SceneSampler.Next(random, heldOut);
            yield return new CaptionedShape
            {
                Image = Pictures.Draw(scene),
                Caption = Data.Caption.Write(scene.Composition, random),
            };
        }
    }
}
