// model.safetensors.index.json, as Hugging Face writes it beside a checkpoint in several files: which file holds which tensor.
using System.Text.Json;

namespace Microsoft.ML.Transfusion.Serialization;

/// <param name="FileOf">From a tensor's name to that of its file, which lies beside the index.</param>
/// <param name="TotalSize">Bytes of all tensors; written for other readers, and not relied on.</param>
internal sealed record SafeTensorsIndex(IReadOnlyDictionary<string, string> FileOf, long TotalSize = 0)
{
    public const string FileName = "model.safetensors.index.json";
    private const string Extension = ".safetensors";
    private const int LargestLength = 100_000_000;                 // as that of a safetensors header, which holds more of each tensor

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true };

    public void Write(Stream stream) => JsonSerializer.Serialize(stream, new
    {
        metadata = new { total_size = TotalSize },
        weight_map = new SortedDictionary<string, string>(FileOf.ToDictionary(), StringComparer.Ordinal),
    }, Json);

    /// <exception cref="FormatException">The file is no such index, or names a file that is not beside it.</exception>
    public static SafeTensorsIndex Read(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            if (stream.Length > LargestLength)
                throw new FormatException($"The index '{path}' has {stream.Length} bytes; this library reads up to {LargestLength}.");
            using JsonDocument document = JsonDocument.Parse(stream, new JsonDocumentOptions { AllowDuplicateProperties = false });
            Dictionary<string, string> fileOf = new(StringComparer.Ordinal);
            foreach (JsonProperty entry in document.RootElement.GetProperty("weight_map").EnumerateObject())
            {
                string? file = entry.Value.GetString();
                fileOf.Add(entry.Name, IsPlainName(file) ? file! : throw new FormatException(
                    $"The index '{path}' is malformed: tensor '{entry.Name}' is in '{file}'; a file beside the index that ends in {Extension} was expected."));
            }
            return fileOf.Count > 0 ? new SafeTensorsIndex(fileOf) : throw new FormatException($"The index '{path}' names no tensors.");
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new FormatException($"The index '{path}' is malformed: it must be a JSON object with 'weight_map', an object of strings. {exception.Message}", exception);
        }
    }

    /// <summary>Whether a name stays in the folder on every system: no separators, drives or streams.</summary>
    private static bool IsPlainName(string? file) =>
        file is not null && file.EndsWith(Extension, StringComparison.Ordinal) && file.Length > Extension.Length
        && !file.Any(symbol => symbol is '/' or '\\' or ':' || char.IsControl(symbol));
}
