// Threads whose operations libtorch runs on them alone. The number of threads is each thread's own, but libtorch also remembers the last one
// that was set anywhere, and a thread takes that when it first asks.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

internal static class SingleThread
{
    /// <summary>Starts a thread in the background. The caller's number of threads, and that of threads to come, stays as it is.</summary>
    public static Thread Start(string name, Action work)
    {
        int threads = get_num_threads();
        var isSet = new ManualResetEventSlim();
        var thread = new Thread(() =>
        {
            if (get_num_threads() > 1)                      // by asking first, so that what others set later does not count here
                set_num_threads(1);
            isSet.Set();
            work();
        })
        { IsBackground = true, Name = name };
        thread.Start();
        isSet.Wait();
        set_num_threads(threads);
        return thread;
    }
}
