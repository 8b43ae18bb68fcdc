// A folder of captioned pictures as a data view with the text columns ImagePath (full paths) and Caption. Conventions, the first that is
// found: captions.tsv, captions.csv, metadata.jsonl, metadata.csv (in the folder, else in its subfolders train, test, …); text files
// beside pictures; class folders. docs/data-formats.md describes them for users.
namespace Microsoft.ML.Transfusion.Data;

internal static class CaptionedImageFolder
{
    private static readonly string[] ListNames = ["captions.tsv", "captions.csv", "metadata.jsonl", "metadata.csv"];
    private static readonly string[] PictureExtensions = [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"];

    /// <summary>Reads all captions now and no picture; the rows stay in memory and can be shuffled and read again.</summary>
    /// <param name="context">The context that owns the view.</param>
    /// <param name="folder">The folder, absolute or relative to the current directory.</param>
    /// <param name="captionTemplate">The caption of a picture in a class folder; <c>{class}</c> stands for the folder's name.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">A caption names a picture that does not exist.</exception>
    /// <exception cref="FormatException">The folder follows none of the conventions, or a file in it breaks its own.</exception>
    public static IDataView Load(MLContext context, string folder, string captionTemplate = ClassFolderCaptions.DefaultTemplate)
    {
        ArgumentNullException.ThrowIfNull(context);
        // A view over an enumerable cannot be shuffled, only blended a thousand rows at a time; a cache of it can.
        return context.Data.Cache(context.Data.LoadFromEnumerable(Read(folder, captionTemplate)));
    }

    /// <summary>The rows in the order of the list, else in the ordinal order of their paths.</summary>
    internal static IReadOnlyList<CaptionedImage> Read(string folder, string captionTemplate = ClassFolderCaptions.DefaultTemplate)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ClassFolderCaptions.CheckTemplate(captionTemplate);
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"The folder '{folder}' does not exist.");
        if (FindLists(folder) is { Length: > 0 } lists)
            return [.. lists.SelectMany(ReadList)];
        string[] pictures = FindPictures(folder);
        if (pictures.Any(picture => File.Exists(TextFileCaptions.PathFor(picture))))
            return [.. TextFileCaptions.Read(pictures)];
        if (pictures.Any(picture => ClassFolderCaptions.Depth(folder, picture) > 0))
            return [.. ClassFolderCaptions.Read(folder, pictures, captionTemplate)];
        throw new FormatException($"The folder '{folder}' holds {pictures.Length} pictures and no captions for them. Looked for "
            + $"{string.Join(", ", ListNames)} in it and in its subfolders, for NAME.txt beside NAME.png (or "
            + $"{string.Join(" ", PictureExtensions[1..])}), and for class folders such as frog/1.jpg or train/frog/1.jpg.");
    }

    private static string[] FindLists(string folder)
    {
        string[] subfolders = Directory.GetDirectories(folder);
        Array.Sort(subfolders, StringComparer.Ordinal);
        foreach (string[] places in (string[][])[[folder], subfolders])
        {
            foreach (string name in ListNames)
            {
                string[] lists = [.. places.Select(place => Path.Combine(place, name)).Where(File.Exists)];
                if (lists.Length > 0)
                    return lists;
            }
        }
        return [];
    }

    private static List<CaptionedImage> ReadList(string path)
    {
        var file = new CaptionFile(path);
        List<CaptionedImage> rows = path.EndsWith(".jsonl", StringComparison.Ordinal) ? JsonLinesCaptions.Read(file) : DelimitedCaptions.Read(file);
        return rows.Count > 0 ? rows : throw new FormatException($"{path} lists no pictures.");
    }

    private static string[] FindPictures(string folder)
    {
        var options = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = false };   // hidden files are skipped
        string[] pictures = [.. Directory.EnumerateFiles(folder, "*", options)
            .Where(path => PictureExtensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase))];
        Array.Sort(pictures, StringComparer.Ordinal);
        return pictures;
    }
}
