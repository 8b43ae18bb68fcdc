// The seal of a model archive: its last 71 bytes, the zip comment, are the SHA-256 of every byte before them. So any flipped byte shows,
// even one in the zip's own tables, which zip readers do not check.
using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.Transfusion.Serialization;

internal static class ArchiveSeal
{
    public const int Length = 7 + 2 * SHA256.HashSizeInBytes;
    private const string Prefix = "sha256:";
    private const int BufferSize = 1 << 20;

    /// <summary>Stands in the comment until everything before it is written.</summary>
    public static readonly string Placeholder = Prefix + new string('0', Length - Prefix.Length);

    public static byte[] Of(ReadOnlySpan<byte> hash) => Encoding.ASCII.GetBytes(Prefix + Convert.ToHexStringLower(hash));

    /// <summary>Whether the archive ends in the seal of its own bytes.</summary>
    public static bool IsIntact(Stream archive)
    {
        long remaining = archive.Length - Length;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[BufferSize];
        archive.Position = 0;
        if (remaining < 0)
            return false;
        while (remaining > 0)
        {
            int count = (int)Math.Min(remaining, buffer.Length);
            archive.ReadExactly(buffer, 0, count);
            hash.AppendData(buffer, 0, count);
            remaining -= count;
        }
        archive.ReadExactly(buffer, 0, Length);
        archive.Position = 0;
        return buffer.AsSpan(0, Length).SequenceEqual(Of(hash.GetCurrentHash()));
    }
}
