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

    /// <summary>The same of all threads together, for tests that run <see cref="Alone"/>. TorchSharp loses count of a network's parameters here.</summary>
    public static void HoldsOnAllThreads(Action action)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();                      // or else what other tests left behind would go meanwhile and be counted
        long before = Tensor.TotalCount;
        action();
        long leaked = Tensor.TotalCount - before;
        Assert.True(leaked == 0, $"{leaked} tensors more are alive.");
    }

    private static long Live => TorchSharp.DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
}
