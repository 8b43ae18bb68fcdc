// manifest.json: what the archive is, which version of the format it has, and the SHA-256 of every other entry.
using System.IO.Compression;
using System.Reflection;
using System.Security.Cryptography;
using System.Text.Json;

namespace Microsoft.ML.Transfusion.Serialization;

/// <param name="Checksums">Entry name → SHA-256 of its contents in lower-case hexadecimal.</param>
internal sealed record ArchiveManifest(string Format, int FormatVersion, string LibraryVersion, IReadOnlyDictionary<string, string> Checksums)
{
    public const string FileName = "manifest.json";
    public const string FormatName = "Microsoft.ML.Transfusion model";
    public const int CurrentVersion = 1;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, RespectRequiredConstructorParameters = true };

    private static string ThisLibraryVersion { get; } =
        typeof(ArchiveManifest).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    public static ArchiveManifest Of(IReadOnlyDictionary<string, string> checksums) => new(FormatName, CurrentVersion, ThisLibraryVersion, checksums);

    public void Write(Stream stream) => JsonSerializer.Serialize(stream, this, Json);

    /// <summary>Reads the manifest; null where the zip is not ours.</summary>
    public static ArchiveManifest? Find(ZipArchive zip)
    {
        if (zip.GetEntry(FileName) is not { } entry)
            return null;
        using Stream stream = entry.Open();
        ArchiveManifest? manifest = JsonSerializer.Deserialize<ArchiveManifest>(stream, Json);
        return manifest?.Format == FormatName ? manifest : null;
    }

    /// <exception cref="FormatException">The model is of a newer format.</exception>
    public void RequireKnownVersion()
    {
        if (FormatVersion > CurrentVersion)
            throw new FormatException($"This model has format version {FormatVersion} (written by Microsoft.ML.Transfusion {LibraryVersion}); "
                + $"version {ThisLibraryVersion} of the library reads format versions up to {CurrentVersion}. Update the package Microsoft.ML.Transfusion.");
    }

    /// <summary>The first entry that is missing, added or changed since it was written; null if there is none.</summary>
    public string? FindDamage(ZipArchive zip)
    {
        string? foreign = zip.Entries.Select(entry => entry.FullName).FirstOrDefault(name => name != FileName && !Checksums.ContainsKey(name));
        return Checksums.Keys.FirstOrDefault(name => !IsIntact(zip.GetEntry(name), Checksums[name])) ?? foreign;
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
