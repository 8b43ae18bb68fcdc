// A row of the editing data: a document of four columns, of which some are missing.
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using Shapes.Data;

namespace Shapes;

/// <summary>An edit: source, instruction, edited picture. Or a drawing: instruction and picture, and in some rows what the picture shows.</summary>
public sealed class EditedShape
{
    private const double EditShare = 0.5;
    private const double DescriptionShare = 0.2;            // of the drawings; the others teach drawing at all noise levels

    [ImageType(Renderer.Side, Renderer.Side)]
    public MLImage? Source { get; set; }

    public string Instruction { get; set; } = "";

    [ImageType(Renderer.Side, Renderer.Side)]
    public MLImage? Edited { get; set; }

    public string Description { get; set; } = "";

    internal static string[] Columns => [nameof(Source), nameof(Instruction), nameof(Edited), nameof(Description)];

    /// <summary>What a drawing that is then described is asked for with.</summary>
    internal static string DrawThenDescribe(string caption) => $"draw {caption}, then describe it";

    /// <summary>Edits and drawings for training, the same ones whenever it is enumerated; pictures are drawn as they are read, not kept.</summary>
    internal static IEnumerable<EditedShape> Sample(int count, int seed)
    {
        Random random = new(seed);
        for (int row = 0; row < count; row++)
        {
            if (random.NextDouble() < EditShare)
            {
                yield return Of(Data.Edit.Next(random, heldOut: false));
                continue;
            }
            Scene scene = SceneSampler.Next(random, heldOut: false);
            yield return new EditedShape
            {
                Instruction = DrawThenDescribe(Data.Caption.Write(scene.Composition, random)),
                Edited = Pictures.Draw(scene),
                Description = random.NextDouble() < DescriptionShare ? Data.Caption.Write(scene.Composition, random) : "",
            };
        }
    }

    internal static EditedShape Of(Data.Edit edit) => new() { Source = Pictures.Draw(edit.Source), Instruction = edit.Instruction, Edited = Pictures.Draw(edit.Edited) };
}
