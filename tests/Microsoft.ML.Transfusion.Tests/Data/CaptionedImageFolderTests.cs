// What is read from every kind of folder; CaptionedImageFolderTests.Errors.cs has what is refused.
using System.Text;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Data;

namespace Microsoft.ML.Transfusion.Tests.Data;

public sealed partial class CaptionedImageFolderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("captioned-images-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("captions.tsv", "1.png\ta red circle\n2.png\ta blue square\n")]
    [InlineData("captions.tsv", "caption\timage\r\na red circle\t1.png\r\na blue square\t2.png\r\n")]
    [InlineData("captions.csv", "1.png,a red circle\n2.png,a blue square")]
    [InlineData("captions.csv", "File_Name,Text\n1.png, a red circle\n\n2.png,\"a blue square\"\n")]
    [InlineData("metadata.csv", "file_name,width,text\n1.png,32,a red circle\n2.png,32,a blue square\n")]
    [InlineData("metadata.jsonl", """
        {"file_name": "1.png", "text": "a red circle", "width": 32}

        {"text": "a blue square", "file_name": "2.png"}
        """)]
    [InlineData("metadata.jsonl", """
        {"file_name": "./1.png", "caption": "a red circle"}
        {"file_name": "2.png", "caption": "a blue square"}
        """)]
    public void Load_reads_a_list_whatever_its_form(string name, string text)
    {
        AddPictures("1.png", "2.png", "not-listed.png");
        Write(name, text);

        Assert.Equal([(Full("1.png"), "a red circle"), (Full("2.png"), "a blue square")], Load());
    }

    [Fact]
    public void Load_keeps_the_order_and_the_repeats_of_a_list()
    {
        AddPictures("a.png", "b.png");
        Write("captions.tsv", "b.png\tfirst\na.png\tsecond\nb.png\tthird\n");

        Assert.Equal([(Full("b.png"), "first"), (Full("a.png"), "second"), (Full("b.png"), "third")], Load());
    }

    [Theory]
    [InlineData("captions.csv", "1.png,\"red, \"\"round\"\"\nand big\"\n", "red, \"round\"\nand big")]
    [InlineData("captions.csv", "1.png,a 5\" disc\n", "a 5\" disc")]
    [InlineData("captions.tsv", "1.png\t\"Stop\" says the sign\n", "\"Stop\" says the sign")]
    [InlineData("captions.tsv", "1.png\t\"a \"\"red\"\" disc\"\n", "a \"red\" disc")]
    [InlineData("captions.tsv", "1.png\tred, round\n", "red, round")]
    [InlineData("captions.tsv", "1.png\t\n", "")]
    [InlineData("captions.csv", "1.png,\n", "")]
    [InlineData("metadata.jsonl", """{"file_name": "1.png", "text": ""}""", "")]
    [InlineData("metadata.jsonl", """{"file_name": "1.png", "text": null}""", "")]
    [InlineData("metadata.jsonl", """{"file_name": "1.png", "text": "\u0442\u0435\u0441\u0442 \"\ud83d\ude00\""}""", "тест \"😀\"")]
    [InlineData("captions.tsv", "1.png\tein größerer Kreis 😀\n", "ein größerer Kreis 😀")]
    public void Load_reads_quotes_and_empty_captions_as_each_form_writes_them(string name, string text, string caption)
    {
        AddPictures("1.png");
        Write(name, text);

        Assert.Equal([(Full("1.png"), caption)], Load());
    }

    [Fact]
    public void Load_reads_lists_in_split_folders_relative_to_each()
    {
        AddPictures("train/1.png", "test/1.png", "train/deep/2.png");
        Write("train/metadata.jsonl", """
            {"file_name": "1.png", "text": "seen"}
            {"file_name": "deep\\2.png", "text": "deep"}
            """);
        Write("test/metadata.jsonl", """{"file_name": "1.png", "text": "unseen"}""");

        Assert.Equal([(Full("test/1.png"), "unseen"), (Full("train/1.png"), "seen"), (Full("train/deep/2.png"), "deep")], Load());
    }

    [Fact]
    public void Load_prefers_lists_to_text_files_and_text_files_to_class_folders()
    {
        AddPictures("frog/1.png");
        Assert.Equal([(Full("frog/1.png"), "a photo of a frog")], Load());
        Write("frog/1.txt", "from a text file");
        Assert.Equal([(Full("frog/1.png"), "from a text file")], Load());
        foreach (string name in (string[])["metadata.csv", "metadata.jsonl", "captions.csv", "captions.tsv"])
        {
            string row = name switch
            {
                "metadata.jsonl" => $$"""{"file_name": "frog/1.png", "text": "{{name}}"}""",
                "captions.tsv" => $"frog/1.png\t{name}",
                _ => $"frog/1.png,{name}",
            };
            Write(name, row);
            Assert.Equal([(Full("frog/1.png"), name)], Load());
        }
    }

    [Fact]
    public void Load_reads_text_files_beside_pictures_a_caption_a_line()
    {
        AddPictures("b.jpg", "a.PNG", "deep/c.webp", ".hidden.png");
        Write("a.txt", "  a red circle \r\n\r\na round red thing\n");
        Write("b.txt", "\n");
        Write("deep/c.txt", "no line end");
        Write("README.txt", "not a caption");

        Assert.Equal([(Full("a.PNG"), "a red circle"), (Full("a.PNG"), "a round red thing"), (Full("b.jpg"), ""),
            (Full("deep/c.webp"), "no line end")], Load());
    }

    [Theory]
    [InlineData("")]
    [InlineData("train/")]
    public void Load_makes_captions_of_class_folders_with_or_without_a_split(string split)
    {
        AddPictures(split + "frog/2.jpg", split + "frog/10.jpg", split + "airplane/1.jpg", split + "ice_cream/1.jpg");

        Assert.Equal([(Full(split + "airplane/1.jpg"), "a photo of an airplane"), (Full(split + "frog/10.jpg"), "a photo of a frog"),
            (Full(split + "frog/2.jpg"), "a photo of a frog"), (Full(split + "ice_cream/1.jpg"), "a photo of an ice cream")], Load());
    }

    [Theory]
    [InlineData("{class}", "Owl", "Owl")]
    [InlineData("A {class}, photographed", "owl", "An owl, photographed")]
    [InlineData("extra {class} and a {class}", "owl", "extra owl and an owl")]
    [InlineData("a {class} with {0}", "cat", "a cat with {0}")]
    [InlineData("the {class}", "owl", "the owl")]
    public void Caption_fits_the_article_to_the_class(string template, string className, string caption) =>
        Assert.Equal(caption, ClassFolderCaptions.Caption(template, className));

    [Fact]
    public void Load_gives_a_view_that_is_counted_shuffled_and_read_again()
    {
        AddPictures([.. Enumerable.Range(0, 100).Select(i => $"frog/{i}.png")]);
        var context = new MLContext(1);

        IDataView view = CaptionedImageFolder.Load(context, _folder);

        Assert.Equal(["ImagePath", "Caption"], view.Schema.Select(column => column.Name));
        Assert.All(view.Schema.Select(column => column.Type), type => Assert.IsType<TextDataViewType>(type));
        Assert.True(view.CanShuffle);
        string[] inOrder = [.. view.GetColumn<string>("ImagePath")];
        string[] shuffled = [.. context.Data.ShuffleRows(view, seed: 3).GetColumn<string>("ImagePath")];
        Assert.Equal(inOrder, view.GetColumn<string>("ImagePath"));
        Assert.NotEqual(inOrder, shuffled);
        Assert.Equal(inOrder, shuffled.Order(StringComparer.Ordinal));
        Assert.Equal(100, view.GetRowCount());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Load_gives_paths_that_LoadImages_finds_with_the_folder_or_without(bool withFolder)
    {
        AddPictures("frog/1.png");
        var context = new MLContext(1);
        IDataView view = CaptionedImageFolder.Load(context, _folder);

        IDataView images = context.Transforms.LoadImages("Image", withFolder ? _folder : null, "ImagePath").Fit(view).Transform(view);

        using DataViewRowCursor cursor = images.GetRowCursor([images.Schema["Image"]]);
        MLImage? image = null;
        Assert.True(cursor.MoveNext());
        cursor.GetGetter<MLImage>(images.Schema["Image"])(ref image!);
        Assert.Equal((2, 1), (image.Width, image.Height));
    }

    [Fact]
    public void Load_finds_the_folder_when_it_is_relative_or_ends_with_a_slash()
    {
        AddPictures("frog/1.png");
        string relative = Path.GetRelativePath(Directory.GetCurrentDirectory(), _folder) + "/";

        Assert.Equal([Full("frog/1.png")], CaptionedImageFolder.Read(relative).Select(row => row.ImagePath));
    }

    [Fact]
    public void Load_reads_text_with_a_byte_order_mark()
    {
        AddPictures("é.png");
        foreach (Encoding encoding in (Encoding[])[new UTF8Encoding(true), new UnicodeEncoding(false, true)])
        {
            File.WriteAllText(Full("captions.tsv"), "é.png\tgrün\n", encoding);
            Assert.Equal([(Full("é.png"), "grün")], Load());
        }
    }

    private (string Path, string Caption)[] Load() => [.. CaptionedImageFolder.Read(_folder).Select(row => (row.ImagePath, row.Caption))];

    private string Full(string name) => Path.Combine(_folder, name.Replace('/', Path.DirectorySeparatorChar));

    private void Write(string name, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Full(name))!);
        File.WriteAllText(Full(name), text);
    }

    private void AddPictures(params string[] names)
    {
        using MLImage image = MLImage.CreateFromPixels(2, 1, MLPixelFormat.Rgba32, [255, 0, 0, 255, 0, 0, 255, 255]);
        string encoded = Full("picture.png");
        image.Save(encoded);
        foreach (string name in names)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Full(name))!);
            File.Copy(encoded, Full(name), overwrite: true);
        }
        File.Delete(encoded);
    }
}
