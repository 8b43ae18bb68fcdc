// What is no folder of captioned pictures, and how the error says so.
using System.Text;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Data;

namespace Microsoft.ML.Transfusion.Tests.Data;

public sealed partial class CaptionedImageFolderTests
{
    [Fact]
    public void Load_names_the_folder_when_it_is_missing()
    {
        var error = Assert.Throws<DirectoryNotFoundException>(() => CaptionedImageFolder.Read(Full("absent")));

        Assert.Contains(Full("absent"), error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData]
    [InlineData("1.png")]
    public void Load_says_what_it_looked_for_when_nothing_is_recognized(params string[] pictures)
    {
        AddPictures(pictures);

        var error = Assert.Throws<FormatException>(Load);

        Assert.All((string[])[_folder, $"{pictures.Length} pictures", "captions.tsv", "metadata.jsonl", "NAME.txt", "frog/1.jpg"],
            part => Assert.Contains(part, error.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("captions.tsv", "1.png\tone\nlost.png\ttwo\n", 2)]
    [InlineData("captions.csv", "file,text\n1.png,one\n\nlost.png,two\n", 4)]
    [InlineData("metadata.jsonl", "{\"file_name\": \"1.png\", \"text\": \"one\"}\n\n{\"file_name\": \"lost.png\", \"text\": \"two\"}", 3)]
    public void Load_names_file_and_line_when_a_picture_is_missing(string name, string text, int line)
    {
        AddPictures("1.png");
        Write(name, text);

        var error = Assert.Throws<FileNotFoundException>(Load);

        Assert.Contains($"{Full(name)}, line {line}: the picture 'lost.png'", error.Message, StringComparison.Ordinal);
        Assert.Equal(Full("lost.png"), error.FileName);
    }

    [Theory]
    [InlineData("captions.tsv", "1.png\tone\n1.png two\n", 2, "2 columns")]
    [InlineData("captions.csv", "1.png,one\n1.png,red, round\n", 2, "2 columns")]
    [InlineData("captions.csv", "file,label\n1.png,one\n", 1, "text or caption")]
    [InlineData("captions.csv", "img,caption\n1.png,one\n", 1, "file_name or")]
    [InlineData("captions.csv", "1.png,one\n1.png,\"two\n1.png,three\n", 2, "quote")]
    [InlineData("captions.csv", "1.png,one\n1.png,\"two\" words\n1.png,three\n", 2, "quote")]
    [InlineData("metadata.jsonl", "{\"file_name\": \"1.png\", \"text\": \"one\"}\n{\"file_name\": \"1.png\"", 2, "expected an object")]
    [InlineData("metadata.jsonl", "{\"file_name\": \"1.png\"}", 1, "expected an object")]
    [InlineData("metadata.jsonl", "{\"file_name\": 1, \"text\": \"one\"}", 1, "expected an object")]
    [InlineData("metadata.jsonl", "{\"file_name\": \"1.png\", \"text\": [\"one\"]}", 1, "expected an object")]
    [InlineData("metadata.jsonl", "{\"file_name\": \"\", \"text\": \"one\"}", 1, "file_name is empty")]
    [InlineData("metadata.jsonl", "[]", 1, "expected an object")]
    public void Load_names_file_and_line_when_a_line_is_malformed(string name, string text, int line, string reason)
    {
        AddPictures("1.png");
        Write(name, text);

        var error = Assert.Throws<FormatException>(Load);

        Assert.StartsWith($"{Full(name)}, line {line}: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("captions.tsv")]
    [InlineData("captions.csv")]
    [InlineData("metadata.jsonl")]
    [InlineData("1.txt")]
    public void Load_names_the_file_when_it_is_not_text(string name)
    {
        AddPictures("1.png");
        File.WriteAllBytes(Full(name), [.. "1.png"u8, (byte)'\t', 0xE9, 0xE8, (byte)'\n']);

        var error = Assert.Throws<FormatException>(Load);

        Assert.Contains($"{Full(name)} is not UTF-8", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("captions.tsv", "")]
    [InlineData("metadata.csv", "file_name,text\n")]
    [InlineData("metadata.jsonl", "\n")]
    public void Load_names_the_list_when_it_is_empty(string name, string text)
    {
        Write(name, text);

        Assert.Equal($"{Full(name)} lists no pictures.", Assert.Throws<FormatException>(Load).Message);
    }

    [Fact]
    public void Load_names_the_picture_that_lacks_a_text_file()
    {
        AddPictures("1.png", "2.png");
        Write("1.txt", "one");

        Assert.StartsWith($"{Full("2.png")} has no caption", Assert.Throws<FormatException>(Load).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("frog/1.png", "2.png")]
    [InlineData("frog/1.png", "train/frog/2.png")]
    [InlineData("a/b/c/1.png", "a/b/d/1.png")]
    public void Load_refuses_class_folders_at_mixed_or_greater_depths(params string[] pictures)
    {
        AddPictures(pictures);

        Assert.Contains("does not fit into class folders", Assert.Throws<FormatException>(Load).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_checks_its_arguments_first()
    {
        var context = new MLContext(1);
        Assert.Throws<ArgumentNullException>(() => CaptionedImageFolder.Load(null!, _folder));
        Assert.Throws<ArgumentNullException>(() => CaptionedImageFolder.Load(context, null!));
        Assert.Throws<ArgumentException>(() => CaptionedImageFolder.Load(context, ""));
        Assert.Throws<ArgumentNullException>(() => CaptionedImageFolder.Load(context, _folder, null!));
        Assert.Contains("{class}", Assert.Throws<ArgumentException>(() => CaptionedImageFolder.Load(context, _folder, "a photo")).Message,
            StringComparison.Ordinal);
    }
}
