using Shapes.Data;

namespace Microsoft.ML.Transfusion.Samples.Tests.Shapes;

public class EditTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Next_gives_scenes_that_the_oracle_reads_before_and_after(bool heldOut)
    {
        var random = new Random(1);
        for (int draw = 0; draw < 300; draw++)
        {
            Edit edit = Edit.Next(random, heldOut);

            Assert.Equal(edit.Source.Composition, Oracle.Read(Renderer.Render(edit.Source)));
            Assert.Equal(edit.Edited.Composition, Oracle.Read(Renderer.Render(edit.Edited)));
            Assert.NotEqual(edit.Source.Composition, edit.Edited.Composition);
            Assert.Equal(heldOut, HeldOut.Contains(edit.Source.Composition));
            Assert.True(heldOut || !HeldOut.Contains(edit.Edited.Composition));
        }
    }

    [Fact]
    public void An_instruction_means_one_object()
    {
        var random = new Random(2);
        for (int draw = 0; draw < 500; draw++)
        {
            Edit edit = Edit.Next(random, heldOut: false);
            string[] words = edit.Instruction.Split(' ');
            string[] name = words[0] == "make" ? words[2..^1] : words[2..^3];
            Assert.Single(edit.Source.Objects, placed => name.All(word => $"{placed.Shape.Size} {placed.Shape.Color} {placed.Shape.Kind}".ToLowerInvariant().Split(' ').Contains(word)));
        }
    }
}
