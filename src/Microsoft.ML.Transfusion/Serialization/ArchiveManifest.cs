// manifest.json: what the archive is, which version of the format it has, and the SHA-256 of every other entry.
using System.IO.Compression;
using System.Reflection;
using System.Security.Cryptography;
using System.Text.Json;

namespace Microsoft.ML.Transfusion.Serialization;

/// <summary><c>Checksums</c> go from an entry's name to the SHA-256 of its contents in lower-case hexadecimal.</summary>
internal sealed record ArchiveManifest(string Format, int FormatVersion, string LibraryVersion, IReadOnlyDictionary<string, string> Checksums)
{
    public const string FileName = "manifest.json";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
    };

    private static string ThisLibraryVersion { get; } =
        typeof(ArchiveManifest).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    public static ArchiveManifest Of(ArchiveKind kind, IReadOnlyDictionary<string, string> checksums) => new(kind.Format, kind.Version, ThisLibraryVersion, checksums);

    public void Write(Stream stream) => JsonSerializer.Serialize(stream, this, Json);

    /// <exception cref="FormatException">The zip has no manifest of this kind, or a damaged one.</exception>
    public static ArchiveManifest Read(ZipArchive zip, ArchiveKind kind)
    {
        try
        {
            using Stream? stream = zip.GetEntry(FileName)?.Open();
            if (stream is not null && JsonSerializer.Deserialize<ArchiveManifest>(stream, Json) is { } manifest)
                return manifest.Format == kind.Format ? manifest : throw new FormatException(
                    $"This is not a {kind.Name} of Microsoft.ML.Transfusion, or it is damaged: its '{FileName}' says that it is a '{manifest.Format}'.");
        }
        catch (Exception exception) when (exception is JsonException or InvalidDataException)
        {
            throw new FormatException($"The {kind.Name} file is damaged: '{FileName}' cannot be read. {kind.Remedy}", exception);
        }
        throw new FormatException($"This is not a {kind.Name} of Microsoft.ML.Transfusion, or it is damaged: it has no '{FileName}' that says so. "
            + "A zip that mlContext.Model.Save wrote is loaded with mlContext.Model.Load.");
    }

    /// <exception cref="FormatException">The file is of a newer format.</exception>
    public void RequireKnownVersion(ArchiveKind kind)
    {
        if (FormatVersion > kind.Version)
            throw new FormatException($"This {kind.Name} has format version {FormatVersion} (written by Microsoft.ML.Transfusion {LibraryVersion}); "
                + $"version {ThisLibraryVersion} of the library reads format versions up to {kind.Version}. Update the package Microsoft.ML.Transfusion.");
    }

    /// <summary>Compares every entry with its checksum.</summary>
    /// <exception cref="FormatException">An entry is missing, added or changed since it was written.</exception>
    public void RequireIntact(ZipArchive zip, ArchiveKind kind)
    {
        foreach ((string name, string checksum) in Checksums)
        {
            if (!IsIntact(zip.GetEntry(name), checksum))
                throw new FormatException($"The {kind.Name} file is damaged: '{name}' is not what '{FileName}' says. {kind.Remedy}");
        }
        if (zip.Entries.FirstOrDefault(entry => entry.FullName != FileName && !Checksums.ContainsKey(entry.FullName)) is { } unknown)
            throw new FormatException($"The {kind.Name} file is damaged: '{FileName}' knows nothing of '{unknown.FullName}'. {kind.Remedy}");
    }

    private static bool IsIntact(ZipArchiveEntry? entry, string checksum)
    {
        try
        {
            using Stream? stream = entry?.Open();
            return stream is not null && Convert.ToHexStringLower(SHA256.HashData(stream)) == checksum;
        }
        catch (InvalidDataException)                               // the zip's own tables do not agree about this entry
        {
            return false;
        }
    }
}
