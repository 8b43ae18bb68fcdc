// What a measurement is timed by: on one CPU thread the processor time of the process, which other processes do not disturb; else the wall clock.
using System.Diagnostics;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal sealed partial class StepClock(int threads, bool isCuda)
{
    private const int ProcessCpuTime = 2;                   // CLOCK_PROCESS_CPUTIME_ID on Linux: nanoseconds where .NET's own has ticks of 10 ms
    private const int OpenMpPatience = 20;                  // ms; libtorch's threads wait for more work for a while, in the way of what is measured next
    private readonly bool _cpuTime = threads == 1 && !isCuda;

    public string Name => _cpuTime ? "processor time" : "wall clock";

    public double Milliseconds(Action action)
    {
        Synchronize();
        if (threads > 1)
            Thread.Sleep(OpenMpPatience);
        double start = Now();
        action();
        Synchronize();
        return Now() - start;
    }

    /// <summary>Several measurements of each action, [action][round], taken in turns so that whatever slows the machine slows all of them.</summary>
    public double[][] Rounds(int rounds, params Action[] actions)
    {
        foreach (Action action in actions)
            action();                                       // warm: compiled code, memory pools
        double[][] rows = [.. Enumerable.Range(0, rounds).Select(_ => actions.Select(Milliseconds).ToArray())];
        return [.. actions.Select((_, column) => rows.Select(row => row[column]).ToArray())];
    }

    /// <summary>The middle one of <see cref="Rounds"/>, of each action.</summary>
    public double[] Medians(int rounds, params Action[] actions) => [.. Rounds(rounds, actions).Select(Median)];

    public static double Median(IEnumerable<double> values)
    {
        double[] ordered = [.. values.Order()];
        return ordered[ordered.Length / 2];
    }

    private void Synchronize()
    {
        if (isCuda)
            torch.cuda.synchronize();
    }

    private double Now()
    {
        if (!_cpuTime)
            return Stopwatch.GetTimestamp() * 1000.0 / Stopwatch.Frequency;
        if (!OperatingSystem.IsLinux())
            return Process.GetCurrentProcess().TotalProcessorTime.TotalMilliseconds;
        if (clock_gettime(ProcessCpuTime, out Timespec time) != 0)
            throw new InvalidOperationException("The processor clock cannot be read.");
        return time.Seconds * 1e3 + time.Nanoseconds / 1e6;
    }

    private readonly record struct Timespec(long Seconds, long Nanoseconds);

    [LibraryImport("libc")]
    private static partial int clock_gettime(int clock, out Timespec time);
}
