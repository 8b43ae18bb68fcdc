// Replaces a file as a whole or not at all: whatever fails, a full disk included, the file that was there before survives.
namespace Microsoft.ML.Transfusion.Serialization;

internal static class AtomicFile
{
    /// <summary>Writes beside <paramref name="path"/>, flushes to the disk, and renames over it; the new name is on the disk too. A failure leaves nothing behind.</summary>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(write);
        WriteAll([(path, write)]);
    }

    /// <summary>Writes every file in full before the first one takes its name; they take them in this order.</summary>
    /// <param name="beforeRenaming">Runs when all is written and nothing is replaced yet.</param>
    public static void WriteAll(IReadOnlyList<(string Path, Action<Stream> Write)> files, Action? beforeRenaming = null)
    {
        List<(string Temporary, string Target)> written = [];
        try
        {
            foreach ((string path, Action<Stream> write) in files)
            {
                string target = Path.GetFullPath(path);
                string temporary = Path.Combine(Path.GetDirectoryName(target)!, $".{Path.GetFileName(target)}.{Guid.NewGuid():N}.tmp");
                written.Add((temporary, target));
                using var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.ReadWrite);
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            beforeRenaming?.Invoke();
            foreach ((string temporary, string target) in written)
                File.Move(temporary, target, overwrite: true);
            foreach (string folder in written.Select(file => Path.GetDirectoryName(file.Target)!).Distinct())
                DiskFlush.Folder(folder);
        }
        finally
        {
            foreach ((string temporary, _) in written)
                File.Delete(temporary);                            // after a success there is none, which is no error
        }
    }
}
