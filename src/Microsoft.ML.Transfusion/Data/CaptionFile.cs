// A text file that carries captions: strict UTF-8 in (or UTF-16 with its byte order mark), errors that name the file and the line out.
using System.Text;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class CaptionFile(string path)
{
    public string Path => path;

    /// <summary>Runs a reader over the text.</summary>
    /// <exception cref="FormatException">The file holds bytes that are not text in its encoding.</exception>
    public List<CaptionedImage> Read(Func<StreamReader, IEnumerable<CaptionedImage>> parse)
    {
        using var text = new StreamReader(path, new UTF8Encoding(encoderShouldEmitUTF8Identifier: true, throwOnInvalidBytes: true));
        try
        {
            return [.. parse(text)];
        }
        catch (DecoderFallbackException exception)
        {
            throw new FormatException($"{path} is not UTF-8 text. Save it as UTF-8.", exception);
        }
    }

    public FormatException Malformed(int line, string reason, Exception? cause = null) =>
        new($"{path}, line {line}: {reason}", cause);

    /// <summary>The row of a picture that a line names, relative to the folder of this file.</summary>
    /// <exception cref="FileNotFoundException">There is no such picture.</exception>
    public CaptionedImage MakeRow(int line, string pictureName, string? caption)
    {
        string picture = Resolve(pictureName);
        if (!File.Exists(picture) && System.IO.Path.DirectorySeparatorChar == '/')
            picture = Resolve(pictureName.Replace('\\', '/'));         // a list that was written on Windows
        if (!File.Exists(picture))
            throw new FileNotFoundException($"{path}, line {line}: the picture '{pictureName}' does not exist. "
                + "Names are relative to the folder of this file.", picture);
        return new CaptionedImage(picture, (caption ?? "").Trim());
    }

    private string Resolve(string pictureName) =>
        System.IO.Path.GetFullPath(System.IO.Path.Combine(System.IO.Path.GetDirectoryName(path)!, pictureName));
}
