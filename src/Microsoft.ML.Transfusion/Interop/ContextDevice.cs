// The device that an MLContext asks for: GpuDeviceId and FallbackToCpu decide, at Fit and at Load, and nothing about it enters a model.
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Interop;

internal static class ContextDevice
{
    /// <summary>The GPU of that number; the CPU where none is asked for, or where it is absent and the context falls back.</summary>
    /// <exception cref="InvalidOperationException">The GPU is absent and the context does not fall back.</exception>
    public static Device Of(IHostEnvironment environment)
    {
        NativeTorch.Require();
        (int? gpu, bool fallsBack) = MLNetInternals.DeviceOf(environment);
        if (gpu is not { } id)
            return CPU;
        int count = cuda.is_available() ? cuda.device_count() : 0;
        if (id >= 0 && id < count)
            return device($"cuda:{id}");
        string missing = count == 0
            ? $"MLContext.GpuDeviceId is {id}, but libtorch sees no CUDA device (the package TorchSharp-cpu never does)"
            : $"MLContext.GpuDeviceId is {id}, but libtorch sees CUDA devices 0 to {count - 1} only";
        if (!fallsBack)
            throw environment.Process(new InvalidOperationException($"{missing}. Set MLContext.FallbackToCpu to true or GpuDeviceId to null to use "
                + "the CPU, or reference TorchSharp-cuda-linux or TorchSharp-cuda-windows instead of TorchSharp-cpu."));
        using IChannel channel = environment.Start(nameof(Transfusion));
        channel.Warning(MessageSensitivity.None, "{0}. The CPU is used instead.", missing);
        return CPU;
    }
}
