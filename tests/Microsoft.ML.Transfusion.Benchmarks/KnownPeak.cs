// What NVIDIA's data sheets promise for dense products, for the model FLOP utilization.
using System.ComponentModel;
using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal static class KnownPeak
{
    private static readonly (string Card, double BFloat16, double Float32)[] Cards =
    [
        ("H200", 989, 67), ("H100 PCIe", 756, 51), ("H100", 989, 67), ("A100", 312, 19.5), ("L40S", 362, 91.6), ("L4", 121, 30.3), ("A10", 125, 31.2), ("RTX 4090", 165, 82.6),
    ];

    /// <summary>10¹² operations a second; null where the device is no GPU or not known.</summary>
    public static double? TeraFlops(Device device, ScalarType dtype)
    {
        if (device.type != DeviceType.CUDA || CardName() is not { } name)
            return null;
        foreach ((string card, double bfloat16, double float32) in Cards)
            if (name.Contains(card, StringComparison.OrdinalIgnoreCase))
                return dtype == ScalarType.BFloat16 ? bfloat16 : float32;
        return null;
    }

    /// <summary>libtorch's name of the card is not wrapped by TorchSharp; the driver's own tool says it.</summary>
    private static string? CardName()
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("nvidia-smi", "--query-gpu=name --format=csv,noheader") { RedirectStandardOutput = true })!;
            return process.StandardOutput.ReadLine();
        }
        catch (Win32Exception)                              // there is no such tool: --peak-tflops tells
        {
            return null;
        }
    }
}
