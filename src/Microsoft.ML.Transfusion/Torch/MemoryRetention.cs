// Keeps freed memory in the process on Linux with glibc. It otherwise gives every large tensor back to the system and has it cleared anew a step
// later: page by page, some tenth of a training step.
using System.Runtime.InteropServices;

namespace Microsoft.ML.Transfusion.Torch;

internal static partial class MemoryRetention
{
    private const int TrimThreshold = -1, MaxMappings = -4, MaxArenas = -8;             // M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX of malloc.h

    /// <summary>For the rest of the process: it then holds as much memory as its largest moment took.</summary>
    public static void Enable()
    {
        if (!OperatingSystem.IsLinux())
            return;
        try
        {
            _ = mallopt(MaxMappings, 0);
            _ = mallopt(TrimThreshold, int.MaxValue);
            _ = mallopt(MaxArenas, 1);                      // one heap for all threads: a thread's own returns what it does not fill
        }
        catch (EntryPointNotFoundException)                 // another C library, such as musl: only speed is lost
        {
        }
    }

    [LibraryImport("libc")]
    private static partial int mallopt(int parameter, int value);
}
