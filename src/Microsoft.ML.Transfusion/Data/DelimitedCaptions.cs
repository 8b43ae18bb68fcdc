// captions.tsv, captions.csv and metadata.csv: a line for each caption, a column with the picture's name and one with the caption.
using CsvHelper;

namespace Microsoft.ML.Transfusion.Data;

internal static class DelimitedCaptions
{
    private static readonly string[] PictureColumns = ["file_name", "filename", "file", "image", "path"];
    private static readonly string[] CaptionColumns = ["text", "caption"];

    /// <exception cref="FormatException">A line lacks a column or breaks the quoting rules.</exception>
    /// <exception cref="FileNotFoundException">A line names a picture that does not exist.</exception>
    public static List<CaptionedImage> Read(CaptionFile file)
    {
        bool tabs = file.Path.EndsWith(".tsv", StringComparison.OrdinalIgnoreCase);
        var options = new CsvReaderOptions
        {
            Separator = tabs ? '\t' : ',',
            Mode = tabs ? CsvMode.NoEscape : CsvMode.Rfc4180,
            HasHeader = false,                                         // it is optional, so the first line is looked at below
            TrimWhitespace = true,
            TrackLineNumbers = true,
            OnMalformedRecord = record => RejectAmbiguousQuotes(file, record),
        };
        return file.Read(text =>
        {
            using CsvReader reader = CsvReader.Create(text, options);
            return ReadRows(file, reader, tabs);
        });
    }

    private static List<CaptionedImage> ReadRows(CaptionFile file, CsvReader reader, bool tabs)
    {
        var rows = new List<CaptionedImage>();
        (int picture, int caption, int count) = (0, 1, 2);             // without a header: the picture, then its caption
        bool first = true;
        while (reader.Read())
        {
            int line = (int)reader.LineNumber;
            string[] fields = reader.Current.ToArray();
            if (tabs)
                fields = Array.ConvertAll(fields, Unquote);
            if (first && fields.Any(field => IsOneOf(PictureColumns, field) || IsOneOf(CaptionColumns, field)))
            {
                (picture, caption, count) = (FindColumn(file, fields, PictureColumns), FindColumn(file, fields, CaptionColumns), fields.Length);
            }
            else if (fields.Length != count)
            {
                throw file.Malformed(line, $"expected {count} columns separated by {(tabs ? "tabs" : "commas")}, found {fields.Length}."
                    + (tabs ? "" : " Put a caption that holds a comma into quotes."));
            }
            else
            {
                rows.Add(file.MakeRow(line, fields[picture], fields[caption]));
            }
            first = false;
        }
        return rows;
    }

    private static bool IsOneOf(string[] names, string field) => names.Contains(field, StringComparer.OrdinalIgnoreCase);

    private static int FindColumn(CaptionFile file, string[] header, string[] names)
    {
        int index = Array.FindIndex(header, field => IsOneOf(names, field));
        return index >= 0 ? index : throw file.Malformed(1, $"the header has no column {string.Join(" or ", names)}.");
    }

    /// <summary>A quote in the middle of a field is text; one that starts a field and is not closed would swallow the lines that follow.</summary>
    private static void RejectAmbiguousQuotes(CaptionFile file, CsvMalformedRecord record)
    {
        if (record.Reason != CsvMalformedReason.StrayQuote)
        {
            throw file.Malformed((int)record.LineNumber, "a field starts with a quote that does not end with it. "
                + "Put the whole field into quotes and write a quote inside it twice.");
        }
    }

    /// <summary>Tab-separated text has no quoting, but common writers (pandas, Excel) put fields that hold quotes into quotes.</summary>
    private static string Unquote(string field)
    {
        if (field.Length < 2 || field[0] != '"' || field[^1] != '"')
            return field;
        string doubled = field[1..^1];
        string single = doubled.Replace("\"\"", "");
        return single.Contains('"') ? field : doubled.Replace("\"\"", "\"");
    }
}
