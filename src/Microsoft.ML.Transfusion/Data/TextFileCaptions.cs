// name.txt beside name.png: each line that is not blank is a caption of its own, and a file without any is an empty caption.
namespace Microsoft.ML.Transfusion.Data;

internal static class TextFileCaptions
{
    public static string PathFor(string picture) => Path.ChangeExtension(picture, ".txt");

    /// <exception cref="FormatException">A picture has no text file, or one that is not text.</exception>
    public static IEnumerable<CaptionedImage> Read(IEnumerable<string> pictures) => pictures.SelectMany(ReadRows);

    private static List<CaptionedImage> ReadRows(string picture)
    {
        var file = new CaptionFile(PathFor(picture));
        if (!File.Exists(file.Path))
            throw new FormatException($"{picture} has no caption: other pictures have a text file beside them, but there is no {file.Path}. "
                + "Add it (an empty file is an empty caption) or take the picture out of the folder.");
        List<CaptionedImage> rows = file.Read(text => Lines(text).Select(line => new CaptionedImage(picture, line)));
        return rows.Count > 0 ? rows : [new CaptionedImage(picture, "")];
    }

    private static IEnumerable<string> Lines(StreamReader text)
    {
        while (text.ReadLine() is string line)
        {
            if (line.Trim() is { Length: > 0 } caption)
                yield return caption;
        }
    }
}
