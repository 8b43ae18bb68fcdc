// How fused CPU kernels reach tensors: raw memory of contiguous tensors, rows shared among libtorch's number of threads.
using System.Diagnostics;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

internal static unsafe partial class CpuKernel
{
    private const long LeastNumbersPerThread = 1 << 15;     // fewer are done before another thread is awake

    /// <summary>Whether kernels exist for the tensor: 32-bit or bfloat16, on the CPU.</summary>
    public static bool Handles(Tensor tensor) => tensor.device_type == DeviceType.CPU && tensor.dtype is ScalarType.Float32 or ScalarType.BFloat16;

    /// <summary>The memory of a contiguous tensor on the CPU.</summary>
    public static void* Pointer(Tensor tensor)
    {
        Debug.Assert(tensor.device_type == DeviceType.CPU && tensor.is_contiguous());
        return aoti_torch_get_data_ptr(tensor.Handle, out void* pointer) == 0 ? pointer : throw new InvalidOperationException("The tensor has no memory.");
    }

    /// <summary>Runs an action over ranges of rows. Which rows go together depends on sizes and the number of threads alone.</summary>
    /// <param name="action">Begin, end, and the number of the range.</param>
    public static void ForRows(long rows, long rowSize, Action<long, long, int> action)
    {
        int ranges = Ranges(rows, rowSize);
        if (ranges == 1)
            action(0, rows, 0);
        else
            Parallel.For(0, ranges, range => action(rows * range / ranges, rows * (range + 1) / ranges, range));
    }

    /// <summary>Into how many ranges <see cref="ForRows"/> cuts.</summary>
    public static int Ranges(long rows, long rowSize) => (int)Math.Clamp(rows * rowSize / LeastNumbersPerThread, 1, Math.Min(rows, get_num_threads()));

    [LibraryImport("torch_cpu")]
    private static partial int aoti_torch_get_data_ptr(nint tensor, out void* pointer);
}
