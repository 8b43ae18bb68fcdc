// An autoencoder as one stream of bytes, or as a part of a model's: the two files of its folder in a sealed archive. docs/model-format.md describes it.
using System.IO.Compression;

namespace Microsoft.ML.Transfusion.Serialization;

internal static class AutoencoderArchive
{
    private const string Folder = "autoencoder/";

    /// <summary>Writes from the stream's position on; the stream need not seek and stays open.</summary>
    public static void Write(Stream stream, StoredAutoencoder autoencoder) => SealedArchive.Write(stream, ArchiveKind.Autoencoder, Entries(autoencoder));

    /// <summary>Reads from the stream's position to its end; the stream need not seek and stays open.</summary>
    /// <exception cref="FormatException">The bytes are no autoencoder, or a damaged or truncated one, or one of a newer format.</exception>
    public static StoredAutoencoder Read(Stream stream) => SealedArchive.FromStart(stream, start =>
    {
        using SealedArchive archive = SealedArchive.Open(start, ArchiveKind.Autoencoder);
        return Read(archive);
    });

    public static IEnumerable<(string Name, Action<Stream> Write)> Entries(StoredAutoencoder autoencoder) =>
        AutoencoderFolder.Files(autoencoder).Select(file => (Folder + file.Name, file.Write));

    public static StoredAutoencoder Read(SealedArchive archive)
    {
        ZipArchiveEntry weights = archive[Folder + AutoencoderFolder.WeightsFile];
        using Stream contents = weights.Open();
        return AutoencoderFolder.Read("The archived autoencoder", archive.ReadBytes(Folder + AutoencoderConfigFile.FileName), contents, weights.Length);
    }
}
