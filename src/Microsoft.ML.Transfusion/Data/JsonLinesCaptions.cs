// metadata.jsonl: a JSON object on each line, as Hugging Face's image folders have it: {"file_name": "1.png", "text": "a red circle"}.
using System.Text.Json;

namespace Microsoft.ML.Transfusion.Data;

internal static class JsonLinesCaptions
{
    /// <exception cref="FormatException">A line is not an object with the two strings.</exception>
    /// <exception cref="FileNotFoundException">A line names a picture that does not exist.</exception>
    public static List<CaptionedImage> Read(CaptionFile file) => file.Read(text => ReadRows(file, text));

    private static IEnumerable<CaptionedImage> ReadRows(CaptionFile file, StreamReader text)
    {
        int line = 0;
        while (text.ReadLine() is string json)
        {
            line++;
            if (!string.IsNullOrWhiteSpace(json))
                yield return ReadRow(file, line, json);
        }
    }

    private static CaptionedImage ReadRow(CaptionFile file, int line, string json)
    {
        string? picture, caption;
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            JsonElement row = document.RootElement;
            picture = row.GetProperty("file_name").GetString();
            caption = (row.TryGetProperty("text", out JsonElement value) ? value : row.GetProperty("caption")).GetString();
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw file.Malformed(line, "expected an object with the strings file_name and text (or caption), as in "
                + """{"file_name": "1.png", "text": "a red circle"}.""", exception);
        }
        return string.IsNullOrEmpty(picture) ? throw file.Malformed(line, "file_name is empty.") : file.MakeRow(line, picture, caption);
    }
}
