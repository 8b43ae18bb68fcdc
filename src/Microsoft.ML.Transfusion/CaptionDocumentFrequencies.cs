// CIDEr weighs words by how rare they are among the pictures of a corpus. A table of another corpus makes scores of few pictures meaningful.
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.ML.Transfusion.Evaluation;
using Microsoft.ML.Transfusion.Serialization;

namespace Microsoft.ML.Transfusion;

/// <summary>
/// In how many pictures' captions each run of one to four words occurs. <c>Evaluate</c> counts them over what it evaluates, as coco-caption
/// does; a single picture would score 0 then, and a few score strangely. Count them once over a large corpus, save, and pass them on.
/// Immutable.
/// </summary>
public sealed class CaptionDocumentFrequencies
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true };

    private readonly Dictionary<string, int> _counts;

    private CaptionDocumentFrequencies(int numberOfImages, Dictionary<string, int> counts) => (NumberOfImages, _counts) = (numberOfImages, counts);

    /// <summary>Number of pictures that were counted.</summary>
    public int NumberOfImages { get; }

    /// <summary>Counts over a corpus. Captions are cut into words as <c>Evaluate</c> does.</summary>
    /// <param name="captions">For each picture its captions; a run that several of them have counts once.</param>
    /// <exception cref="ArgumentException">There is no picture.</exception>
    public static CaptionDocumentFrequencies Count(IEnumerable<IEnumerable<string>> captions)
    {
        ArgumentNullException.ThrowIfNull(captions);
        return Count(captions.Select(image => image.Select(CaptionTokenizer.Split)));
    }

    /// <summary>Reads a table that <see cref="Save"/> wrote.</summary>
    /// <param name="path">The JSON file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="FormatException">The file is something else.</exception>
    public static CaptionDocumentFrequencies Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            using FileStream stream = File.OpenRead(path);
            Table table = JsonSerializer.Deserialize<Table>(stream, Json) ?? throw new JsonException("it is null.");
            if (table.NumberOfImages < 1 || table.Frequencies.Values.Any(count => count < 1 || count > table.NumberOfImages))
                throw new JsonException("its counts must lie in 1…numberOfImages.");
            return new(table.NumberOfImages, new(table.Frequencies, StringComparer.Ordinal));
        }
        catch (JsonException exception)
        {
            throw new FormatException($"{path} is no table of document frequencies: {exception.Message}", exception);
        }
    }

    /// <summary>Writes the table as JSON: <c>{"numberOfImages": N, "frequencies": {"a red": 12, …}}</c>. An existing file is replaced as a whole.</summary>
    /// <param name="path">The file.</param>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, new Table(NumberOfImages, _counts), Json));
    }

    internal static CaptionDocumentFrequencies Count(IEnumerable<IEnumerable<string[]>> references)
    {
        Dictionary<string, int> counts = new(StringComparer.Ordinal);
        int images = 0;
        foreach (IEnumerable<string[]> captions in references)
        {
            foreach (string run in captions.SelectMany(NGrams.Of).ToHashSet(StringComparer.Ordinal))
                CollectionsMarshal.GetValueRefOrAddDefault(counts, run, out _)++;
            images++;
        }
        return images > 0 ? new(images, counts) : throw new ArgumentException("There are no captions to count.", nameof(references));
    }

    internal int Of(string run) => _counts.GetValueOrDefault(run);

    private sealed record Table(int NumberOfImages, Dictionary<string, int> Frequencies);
}
