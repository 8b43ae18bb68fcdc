// The largest resident set the process ever had.
using System.Diagnostics;
using System.Globalization;

namespace Samples.Common;

internal static class PeakMemory
{
    /// <summary>Linux keeps it as VmHWM in /proc; elsewhere .NET knows.</summary>
    public static long Bytes => OperatingSystem.IsLinux() ? HighWaterMark() : Process.GetCurrentProcess().PeakWorkingSet64;

    private static long HighWaterMark()
    {
        string line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) * 1024;      // "VmHWM:   123 kB"
    }
}
