// Counts the tensors that this thread has made and nobody has disposed of. The garbage collector's finalizers run on a thread of their own and
// so do not hide a leak.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests;

internal static class LeakCheck
{
    /// <summary>Runs an action that must dispose of every tensor it makes.</summary>
    public static void Holds(Action action, int times)
    {
        long before = Live;
        for (int i = 0; i < times; i++)
            action();
        long leaked = Live - before;
        Assert.True(leaked == 0, $"{leaked} tensors more are alive after {times} runs.");
    }

    /// <summary>The same of all threads together; for tests that run <see cref="Alone"/>.</summary>
    public static void HoldsOnAllThreads(Action action, long expected = 0)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();                      // or else what other tests left behind would go meanwhile and be counted
        long before = Tensor.TotalCount;
        action();
        long leaked = Tensor.TotalCount - before - expected;
        Assert.True(leaked == 0, $"{leaked} tensors more are alive.");
    }

    /// <summary>Runs two actions, of which the second does more of the same: it must not leave more tensors alive. Converting a network loses count of some.</summary>
    public static void HoldsHoweverLong(Action brief, Action longer)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long before = Tensor.TotalCount;
        brief();
        long expected = Tensor.TotalCount - before;
        HoldsOnAllThreads(longer, expected);
    }

    private static long Live => TorchSharp.DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
}
