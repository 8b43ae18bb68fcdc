// Which number format a machine trains best in.
using System.Runtime.Intrinsics.X86;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

internal static class Precision
{
    /// <summary>Auto is bfloat16 on a GPU and on processors with AVX-512, whose products run twice as fast in it; else 32-bit.</summary>
    public static ScalarType Resolve(TrainingPrecision precision, Device device) => precision switch
    {
        TrainingPrecision.Float32 => ScalarType.Float32,
        TrainingPrecision.BFloat16 => ScalarType.BFloat16,
        _ => device.type == DeviceType.CUDA || HasBFloat16Products() ? ScalarType.BFloat16 : ScalarType.Float32,
    };

    // AVX512-BF16: CPUID leaf 7, sub-leaf 1, EAX bit 5.
    private static bool HasBFloat16Products() =>
        X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && X86Base.CpuId(7, 0).Eax >= 1 && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0;
}
