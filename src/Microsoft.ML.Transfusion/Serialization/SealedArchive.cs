// A zip of stored entries with a manifest of their checksums, sealed as a whole: the container of models (docs/model-format.md) and of
// checkpoints (docs/checkpoints.md). The same entries give the same bytes.
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Transfusion.Tokenization;

namespace Microsoft.ML.Transfusion.Serialization;

internal sealed class SealedArchive : IDisposable
{
    private const string TokenizerFolder = "tokenizer/";

    private static readonly DateTimeOffset Epoch = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);   // zip's first day: one model, one sequence of bytes

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        NumberHandling = JsonNumberHandling.Strict,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,   // an option that this version would ignore changes what the rest means
        RespectNullableAnnotations = true,
        Converters = { new JsonStringEnumConverter(null, allowIntegerValues: false) },
    };

    private readonly ZipArchive _zip;
    private readonly ArchiveKind _kind;

    private SealedArchive(ZipArchive zip, ArchiveKind kind) => (_zip, _kind) = (zip, kind);

    /// <summary>Writes from the stream's position on; the stream need not seek and stays open.</summary>
    public static void Write(Stream stream, ArchiveKind kind, params IEnumerable<(string Name, Action<Stream> Write)> entries)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using var sealing = new SealingStream(stream);
        using (var zip = new ZipArchive(sealing, ZipArchiveMode.Create, leaveOpen: true))
        {
            zip.Comment = ArchiveSeal.Placeholder;
            SortedDictionary<string, string> checksums = new(StringComparer.Ordinal);
            foreach ((string name, Action<Stream> write) in entries)
                checksums.Add(name, WriteEntry(zip, name, write));
            WriteEntry(zip, ArchiveManifest.FileName, ArchiveManifest.Of(kind, checksums).Write);
        }
        sealing.Seal();
    }

    public static (string Name, Action<Stream> Write) JsonEntry<T>(string name, T value) => (name, entry => JsonSerializer.Serialize(entry, value, Json));

    public static IEnumerable<(string Name, Action<Stream> Write)> TokenizerEntries(TextTokenizer tokenizer) =>
        tokenizer.Save().Select(file => (TokenizerFolder + file.Key, (Action<Stream>)(entry => entry.Write(file.Value))));

    /// <summary>Reads from the stream's position to its end with a function that wants to seek; the stream itself need not be able to, and stays open.</summary>
    public static T FromStart<T>(Stream stream, Func<Stream, T> read)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (stream.CanSeek && stream.Position == 0)
            return read(stream);
        using var copy = new FileStream(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()), new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Options = FileOptions.DeleteOnClose,                   // weights may be larger than memory buffers can be
        });
        stream.CopyTo(copy);
        return read(copy);
    }

    /// <summary>Checks every byte of a stream that can seek, which stays open and must until the archive is disposed.</summary>
    /// <exception cref="FormatException">The bytes are of another kind, damaged or truncated, or of a newer format; the message says which, and what to do.</exception>
    public static SealedArchive Open(Stream stream, ArchiveKind kind)
    {
        if (!ArchiveSeal.IsIntact(stream))
            throw DescribeDamage(stream, kind);
        var zip = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true);
        try
        {
            ArchiveManifest manifest = ArchiveManifest.Read(zip, kind);
            manifest.RequireKnownVersion(kind);
            manifest.RequireIntact(zip, kind);
            return new SealedArchive(zip, kind);
        }
        catch
        {
            zip.Dispose();
            throw;
        }
    }

    public ZipArchiveEntry this[string name] => _zip.GetEntry(name) ?? throw new FormatException($"'{name}' is missing from the {_kind.Name} file.");

    public T ReadJson<T>(string name)
    {
        using Stream stream = this[name].Open();
        try
        {
            return JsonSerializer.Deserialize<T>(stream, Json) ?? throw new FormatException($"'{name}' in the {_kind.Name} file is empty.");
        }
        catch (JsonException exception)
        {
            throw new FormatException($"'{name}' in the {_kind.Name} file cannot be read by this version of the library: {exception.Message}", exception);
        }
    }

    public byte[] ReadBytes(string name) => ReadBytes(this[name]);

    public TextTokenizer ReadTokenizer() => TextTokenizer.Load(_zip.Entries
        .Where(entry => entry.FullName.StartsWith(TokenizerFolder, StringComparison.Ordinal))
        .ToDictionary(entry => entry.FullName[TokenizerFolder.Length..], ReadBytes));

    public void Dispose() => _zip.Dispose();

    /// <summary>Bytes without a valid seal: what they seem to be, and which entry is damaged, if that can still be found out.</summary>
    private static FormatException DescribeDamage(Stream stream, ArchiveKind kind)
    {
        try
        {
            using var zip = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true);
            ArchiveManifest.Read(zip, kind).RequireIntact(zip, kind);
            return new FormatException($"The {kind.Name} file is damaged: its zip directory is not what was saved. {kind.Remedy}");
        }
        catch (FormatException found)
        {
            return found;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)   // how a damaged directory shows depends on the byte
        {
            return new FormatException($"This is not a {kind.Name} of Microsoft.ML.Transfusion, or the file is truncated or damaged: "
                + $"its zip directory cannot be read. {kind.Remedy}", exception);
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

    private static byte[] ReadBytes(ZipArchiveEntry entry)
    {
        using Stream stream = entry.Open();
        byte[] contents = new byte[entry.Length];
        stream.ReadExactly(contents);
        return contents;
    }
}
