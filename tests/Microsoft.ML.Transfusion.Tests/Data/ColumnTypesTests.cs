// What a schema must hold, and what the errors say.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Data;

namespace Microsoft.ML.Transfusion.Tests.Data;

public class ColumnTypesTests
{
    private static readonly InputColumn Text = new("Caption", IsImage: false), Image = new("Image", IsImage: true);
    private readonly MLContext _ml = new(1);

    [Fact]
    public void Missing_column_is_named_beside_those_that_exist()
    {
        ColumnTypes types = Types(new { Captoin = "", Other = 1f });
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => types.Require(Text));
        Assert.Equal("inputSchema", error.ParamName);
        Assert.Contains("'Caption' was not found", error.Message, StringComparison.Ordinal);
        Assert.Contains("'Captoin', 'Other'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Text_where_an_image_is_needed_says_to_load_it()
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => Types(new { Image = "a.png" }).Require(Image));
        Assert.Contains("Append LoadImages first", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Numbers_and_vectors_are_no_text()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Types(new { Caption = 1f }).Require(Text));
        Assert.Throws<ArgumentOutOfRangeException>(() => Types(new { Caption = new[] { "a" } }).Require(Text));
        Assert.Throws<ArgumentOutOfRangeException>(() => Types(new { Caption = 1f }).Find("Caption"));
    }

    [Fact]
    public void Outputs_exist_where_their_inputs_do()
    {
        IReadOnlyList<OutputColumn> outputs = ScoringConfig.OutputsOf([Text, Image], "T", "I", "V", "S");
        Assert.Equal(["I"], Types(new { Caption = "a" }).Available(outputs, vector: null).Select(output => output.Name));
        Assert.Equal(["T"], Types(new PictureRowWithoutCaption()).Available(outputs, vector: null).Select(output => output.Name));
        Assert.Equal(["T", "I", "S"], Types(new PictureRow()).Available(outputs, vector: null).Select(output => output.Name));
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => Types(new { Photo = 1f }).Available(outputs, vector: null));
        Assert.Contains("'T' needs 'Image'; 'I' needs 'Caption'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Longer_documents_generate_their_last_column_from_the_others()
    {
        InputColumn source = new("Source", IsImage: true), edited = new("Edited", IsImage: true);
        IReadOnlyList<OutputColumn> outputs = ScoringConfig.OutputsOf([Text, source, edited], "T", "I", "V", "S");
        Assert.Equal([OutputKind.Image, OutputKind.Score], outputs.Select(output => output.Kind));
        Assert.Equal([Text, source], outputs[0].Inputs);
        Assert.Equal([Text, source, edited], outputs[1].Inputs);
    }

    private ColumnTypes Types<T>(T row)
        where T : class => new(((IHostEnvironment)_ml).Register("test"), _ml.Data.LoadFromEnumerable([row]).Schema);

    private sealed class PictureRowWithoutCaption
    {
        [Transforms.Image.ImageType(8, 8)]
        public MLImage? Image { get; set; }
    }
}
