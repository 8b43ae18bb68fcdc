// A trained model as one stream of bytes, the same in a file of its own and inside an ML.NET zip: a zip of config.json, the tokenizer's
// files, model.safetensors and a manifest with checksums, sealed as a whole. docs/model-format.md describes it.
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Transfusion.Tokenization;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Serialization;

/// <summary>What a model archive holds. Weights that were read are on the CPU and belong to the dispose scope around the call, or to the caller
/// where there is none. <c>Extra</c> is whatever else the writer wanted kept, by name.</summary>
internal sealed record ModelArchive(
    TransfusionConfig Config,
    TextTokenizer Tokenizer,
    IReadOnlyDictionary<string, Tensor> Weights,
    IReadOnlyDictionary<string, string> Extra)
{
    private const string ConfigFile = "config.json";
    private const string ExtraFile = "extra.json";
    private const string TokenizerFolder = "tokenizer/";
    private const string WeightsFile = "model.safetensors";

    private static readonly DateTimeOffset Epoch = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);   // zip's first day: one model, one sequence of bytes

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        NumberHandling = JsonNumberHandling.Strict,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,   // an option that this version would ignore changes what the network means
        RespectNullableAnnotations = true,
        Converters = { new JsonStringEnumConverter(null, allowIntegerValues: false) },
    };

    /// <summary>Writes from the stream's position on; the stream need not seek and stays open.</summary>
    public static void Write(Stream stream, TransfusionConfig config, TextTokenizer tokenizer,
        IReadOnlyDictionary<string, Tensor> weights, IReadOnlyDictionary<string, string>? extra = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using var sealing = new SealingStream(stream);
        using (var zip = new ZipArchive(sealing, ZipArchiveMode.Create, leaveOpen: true))
        {
            zip.Comment = ArchiveSeal.Placeholder;
            SortedDictionary<string, string> checksums = new(StringComparer.Ordinal);
            void Add(string name, Action<Stream> write) => checksums.Add(name, WriteEntry(zip, name, write));

            Add(ConfigFile, entry => JsonSerializer.Serialize(entry, config, Json));
            Add(ExtraFile, entry => JsonSerializer.Serialize(entry, extra ?? new Dictionary<string, string>(), Json));
            foreach ((string name, byte[] contents) in tokenizer.Save())
                Add(TokenizerFolder + name, entry => entry.Write(contents));
            Add(WeightsFile, entry => SafeTensors.Write(entry, weights));
            WriteEntry(zip, ArchiveManifest.FileName, ArchiveManifest.Of(checksums).Write);
        }
        sealing.Seal();
    }

    /// <summary>Reads from the stream's position to its end; the stream need not seek and stays open.</summary>
    /// <exception cref="FormatException">The bytes are no model, or a damaged or truncated one, or one of a newer format; the message says which, and what to do.</exception>
    public static ModelArchive Read(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (stream.CanSeek && stream.Position == 0)
            return ReadSealed(stream);
        using var copy = new FileStream(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()), new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Options = FileOptions.DeleteOnClose,                   // weights may be larger than memory buffers can be
        });
        stream.CopyTo(copy);
        return ReadSealed(copy);
    }

    private static ModelArchive ReadSealed(Stream stream)
    {
        if (!ArchiveSeal.IsIntact(stream))
            throw DescribeDamage(stream);
        using var zip = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true);
        ArchiveManifest manifest = ArchiveManifest.Read(zip);
        manifest.RequireKnownVersion();
        manifest.RequireIntact(zip);

        TransfusionConfig config = ReadJson<TransfusionConfig>(zip, ConfigFile);
        var extra = ReadJson<Dictionary<string, string>>(zip, ExtraFile);
        TextTokenizer tokenizer = TextTokenizer.Load(zip.Entries
            .Where(entry => entry.FullName.StartsWith(TokenizerFolder, StringComparison.Ordinal))
            .ToDictionary(entry => entry.FullName[TokenizerFolder.Length..], ReadBytes));
        ZipArchiveEntry weights = Find(zip, WeightsFile);
        using Stream contents = weights.Open();
        return new ModelArchive(config, tokenizer, SafeTensors.Read(contents, weights.Length), extra);
    }

    /// <summary>Bytes without a valid seal: what they seem to be, and which entry is damaged, if that can still be found out.</summary>
    private static FormatException DescribeDamage(Stream stream)
    {
        try
        {
            using var zip = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true);
            ArchiveManifest.Read(zip).RequireIntact(zip);
            return new FormatException($"The model file is damaged: its zip directory is not what was saved. {ArchiveManifest.Remedy}");
        }
        catch (FormatException found)
        {
            return found;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)   // how a damaged directory shows depends on the byte
        {
            return new FormatException("This is not a model of Microsoft.ML.Transfusion, or the file is truncated or damaged: "
                + $"its zip directory cannot be read. {ArchiveManifest.Remedy}", exception);
        }
    }

    /// <summary>Writes one stored entry and returns its checksum.</summary>
    private static string WriteEntry(ZipArchive zip, string name, Action<Stream> write)
    {
        ZipArchiveEntry entry = zip.CreateEntry(name, CompressionLevel.NoCompression);
        entry.LastWriteTime = Epoch;
        using var sha = SHA256.Create();
        using (Stream contents = entry.Open())
        using (var hashing = new CryptoStream(contents, sha, CryptoStreamMode.Write))
            write(hashing);
        return Convert.ToHexStringLower(sha.Hash!);
    }

    private static T ReadJson<T>(ZipArchive zip, string name)
    {
        using Stream stream = Find(zip, name).Open();
        try
        {
            return JsonSerializer.Deserialize<T>(stream, Json) ?? throw new FormatException($"'{name}' in the model file is empty.");
        }
        catch (JsonException exception)
        {
            throw new FormatException($"'{name}' in the model file cannot be read by this version of the library: {exception.Message}", exception);
        }
    }

    private static byte[] ReadBytes(ZipArchiveEntry entry)
    {
        using Stream stream = entry.Open();
        byte[] contents = new byte[entry.Length];
        stream.ReadExactly(contents);
        return contents;
    }

    private static ZipArchiveEntry Find(ZipArchive zip, string name) =>
        zip.GetEntry(name) ?? throw new FormatException($"'{name}' is missing from the model file.");
}
