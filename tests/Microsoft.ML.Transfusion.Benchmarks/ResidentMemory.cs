// What the process holds of the machine's memory, now and at most. Linux tells both in /proc; elsewhere .NET does, and the peak cannot be reset.
using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal static class ResidentMemory
{
    public static double MiB => OperatingSystem.IsLinux() ? Line("VmRSS:") : Process.GetCurrentProcess().WorkingSet64 / 1048576.0;

    public static double PeakMiB => OperatingSystem.IsLinux() ? Line("VmHWM:") : Process.GetCurrentProcess().PeakWorkingSet64 / 1048576.0;

    /// <summary>The peak is counted anew from here on.</summary>
    public static void ResetPeak()
    {
        GC.Collect();
        if (OperatingSystem.IsLinux())
            File.WriteAllText("/proc/self/clear_refs", "5");
    }

    private static double Line(string name)
    {
        string line = File.ReadLines("/proc/self/status").First(line => line.StartsWith(name, StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) / 1024.0;    // "VmHWM:   123 kB"
    }
}
