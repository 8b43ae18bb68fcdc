// Makes the names in a folder last through a power failure: on Unix a renaming is on the disk only when the folder itself was flushed.
// Windows journals names by itself and lets nobody open a folder.
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Microsoft.ML.Transfusion.Serialization;

internal static partial class DiskFlush
{
    private const int ReadOnly = 0;

    public static void Folder(string path)
    {
        int descriptor = OperatingSystem.IsWindows() ? -1 : Open(path, ReadOnly);
        if (descriptor < 0)                                        // a folder may be written to and yet not be read; the file in it is whole anyway
            return;
        using var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        RandomAccess.FlushToDisk(handle);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);
}
