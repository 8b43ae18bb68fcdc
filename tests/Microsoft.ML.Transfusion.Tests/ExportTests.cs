// What other tools read: coco-caption's JSON, folders of PNG files, GenEval's layout.
using System.Text.Json;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Tests.Data;

namespace Microsoft.ML.Transfusion.Tests;

public class ExportTests
{
    private readonly MLContext _ml = new(1);

    [Fact]
    public void Captions_are_saved_as_results_and_annotations_with_the_same_ids()
    {
        using var folder = new TemporaryFolder();
        IDataView data = _ml.Data.LoadFromEnumerable(
        [
            new { Id = 391895L, Caption = "A man, \"riding\".", GeneratedText = "a man" },
            new { Id = 7L, Caption = "a café", GeneratedText = "a bar" },
            new { Id = 391895L, Caption = "another one", GeneratedText = "a man again" },
        ]);
        _ml.Generation.SaveCaptions(data, folder.File("results.json"), imageIdColumnName: "Id");
        _ml.Generation.SaveReferenceCaptions(data, folder.File("references.json"), imageIdColumnName: "Id");
        JsonElement results = Json(folder.File("results.json")), references = Json(folder.File("references.json"));
        Assert.Equal([(391895, "a man"), (7, "a bar")], results.EnumerateArray().Select(row => (row.GetProperty("image_id").GetInt64(), row.GetProperty("caption").GetString())));
        Assert.Equal([391895, 7], references.GetProperty("images").EnumerateArray().Select(image => image.GetProperty("id").GetInt64()));
        Assert.Equal([(0, 391895, "A man, \"riding\"."), (1, 7, "a café"), (2, 391895, "another one")], references.GetProperty("annotations").EnumerateArray()
            .Select(row => (row.GetProperty("id").GetInt32(), row.GetProperty("image_id").GetInt64(), row.GetProperty("caption").GetString())));
    }

    [Fact]
    public void Ids_are_row_numbers_or_text_where_there_are_no_numbers()
    {
        using var folder = new TemporaryFolder();
        IDataView data = _ml.Data.LoadFromEnumerable([new { Path = "b.png", GeneratedText = "one" }, new { Path = "a.png", GeneratedText = "two" }]);
        _ml.Generation.SaveCaptions(data, folder.File("numbers.json"));
        _ml.Generation.SaveCaptions(data, folder.File("paths.json"), imageIdColumnName: "Path");
        Assert.Equal([0, 1], Json(folder.File("numbers.json")).EnumerateArray().Select(row => row.GetProperty("image_id").GetInt32()));
        Assert.Equal(["b.png", "a.png"], Json(folder.File("paths.json")).EnumerateArray().Select(row => row.GetProperty("image_id").GetString()));
        Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Generation.SaveCaptions(data, folder.File("x.json"), "Missing"));
        Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Generation.SaveReferenceCaptions(data, folder.File("x.json")));
        Assert.False(File.Exists(folder.File("x.json")));
    }

    [Fact]
    public void Images_are_saved_by_row_and_missing_ones_left_out()
    {
        using var folder = new TemporaryFolder();
        List<PictureRow> rows = TinyTraining.Rows(3);
        rows[1].Caption = null;
        IDataView data = new CountingModel().Transform(_ml, TinyTraining.View(_ml, rows));
        _ml.Generation.SaveImages(data, folder.File("drawn"));
        _ml.Generation.SaveImages(data, folder.File("real"), "Image");
        Assert.Equal(["00000.png", "00002.png"], Files(folder.File("drawn")));
        Assert.Equal(["00000.png", "00001.png", "00002.png"], Files(folder.File("real")));
        using MLImage saved = MLImage.CreateFromFile(System.IO.Path.Combine(folder.File("real"), "00001.png"));
        Assert.Equal((8, 8), (saved.Width, saved.Height));
        Assert.NotEqual(0, rows[0].Image!.Width);                  // the caller's pictures are not disposed
        Assert.Contains("not empty", Assert.Throws<ArgumentException>(() => _ml.Generation.SaveImages(data, folder.File("real"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void GenEval_prompts_are_drawn_into_its_folders_with_their_lines_as_they_stand()
    {
        using var folder = new TemporaryFolder();
        string[] lines = ["""{"tag": "single_object", "include": [{"class": "bench", "count": 1}], "prompt": "no 1"}""", """{"prompt":"no 2",  "tag":"counting"}"""];
        File.WriteAllLines(folder.File("prompts.jsonl"), [lines[0], "", lines[1]]);
        TransfusionModel model = TinyTraining.Transformer.Model;
        GenerationOptions options = TinyTraining.Options.Generation;
        LeakCheck.Holds(() => _ml.Generation.SaveGenEval(model, folder.File("prompts.jsonl"), folder.File(Guid.NewGuid().ToString()), options, samplesPerPrompt: 1), times: 2);
        _ml.Generation.SaveGenEval(model, folder.File("prompts.jsonl"), folder.File("out"), options, samplesPerPrompt: 2);
        Assert.Equal(["00000/metadata.jsonl", "00000/samples/0000.png", "00000/samples/0001.png", "00001/metadata.jsonl", "00001/samples/0000.png", "00001/samples/0001.png"],
            Files(folder.File("out")));
        Assert.Equal(lines, ((string[])["00000", "00001"]).Select(number => File.ReadAllText(System.IO.Path.Combine(folder.File("out"), number, "metadata.jsonl"))));
        using MLImage second = model.GenerateImage("no 2", options with { Seed = options.Seed + 1 });
        using MLImage saved = MLImage.CreateFromFile(System.IO.Path.Combine(folder.File("out"), "00001", "samples", "0001.png"));
        Assert.Equal(Colours(second), Colours(saved));
    }

    [Theory]
    [InlineData("not JSON")]
    [InlineData("""{"text": "a prompt under another name"}""")]
    [InlineData("""{"prompt": 1}""")]
    [InlineData("""{"prompt": ""}""")]
    public void Other_lines_are_a_FormatException_that_names_the_line(string line)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllLines(folder.File("prompts.jsonl"), ["""{"prompt": "no 1"}""", line]);
        FormatException exception = Assert.Throws<FormatException>(() => _ml.Generation.SaveGenEval(TinyTraining.Transformer.Model, folder.File("prompts.jsonl"), folder.File("out")));
        Assert.Contains("line 2", exception.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder.File("out")));
    }

    /// <summary>Red, green and blue, whichever order the picture keeps them in.</summary>
    private static int[][] Colours(MLImage image) => [.. image.Pixels.ToArray().Chunk(4)
        .Select(pixel => (int[])(image.PixelFormat == MLPixelFormat.Bgra32 ? [pixel[2], pixel[1], pixel[0]] : [pixel[0], pixel[1], pixel[2]]))];

    private static string[] Files(string folder) => [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        .Select(path => System.IO.Path.GetRelativePath(folder, path).Replace('\\', '/')).Order(StringComparer.Ordinal)];

    private static JsonElement Json(string path) => JsonElement.Parse(File.ReadAllBytes(path));
}
