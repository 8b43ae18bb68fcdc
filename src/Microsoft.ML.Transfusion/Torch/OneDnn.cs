// Whether oneDNN's convolutions can be trusted. On some virtual machines oneDNN 3.7 (libtorch 2.10) arranges weights in another order of loops than it fills up
// with zeros, so that numbers of channels that do not fill a block give wrong gradients and wrong results.
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

internal static unsafe class OneDnn
{
    private const double Tolerance = 1e-3;                  // of sums up to 0.93, which were off by 0.24
    private static readonly Lazy<bool> IncompleteBlocks = new(ConvolvesIncompleteBlocks);

    /// <summary>Whether any number of channels comes out right here; tried once.</summary>
    public static bool TakesAnyChannels => IncompleteBlocks.Value;

    /// <summary>The convolution of images [N, C, H, W], with as many channels of zeros beside C and C' as fill oneDNN's blocks.</summary>
    public static Tensor ConvolveInBlocks(Tensor images, Tensor weight, Tensor bias, long stride, long padding)
    {
        using var scope = NewDisposeScope();
        long outputs = weight.shape[0], inputs = weight.shape[1];
        long moreOutputs = Missing(outputs, 16), moreInputs = Missing(inputs, inputs <= 16 ? 16 : 32);
        if (moreInputs > 0)
            images = nn.functional.pad(images, [0, 0, 0, 0, 0, moreInputs]);
        if (moreInputs + moreOutputs > 0)
            weight = nn.functional.pad(weight, [0, 0, 0, 0, 0, moreInputs, 0, moreOutputs]);
        if (moreOutputs > 0)
            bias = nn.functional.pad(bias, [0, moreOutputs]);
        return nn.functional.conv2d(images, weight, bias, strides: [stride, stride], padding: [padding, padding]).narrow(1, 0, outputs).MoveToOuterDisposeScope();
    }

    private static long Missing(long channels, long block) => (block - channels % block) % block;

    private static bool ConvolvesIncompleteBlocks()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        // 24 channels are a block of 16 and half a one. 64-bit numbers do not go to oneDNN.
        Tensor images = Some([2, 24, 8, 8]), weight = Some([16, 24, 3, 3]);
        Tensor expected = nn.functional.conv2d(images, weight), actual = nn.functional.conv2d(images.to(ScalarType.Float32), weight.to(ScalarType.Float32));
        bool isRight = (actual.to(ScalarType.Float64) - expected).abs().max().item<double>() < Tolerance;
        if (!isRight)
            DoWithoutNnPack();
        return isRight;
    }

    /// <summary>Without the processor's caches NNPACK, which libtorch asks for small convolutions, refuses too, and prints a warning at every one.</summary>
    private static void DoWithoutNnPack()
    {
        if (NativeLibrary.TryLoad("libtorch_cpu.so", out nint torch) && NativeLibrary.TryGetExport(torch, "_ZN2at13globalContextEv", out nint context)
            && NativeLibrary.TryGetExport(torch, "_ZN2at7Context20setUserEnabledNNPACKEb", out nint enable))
            ((delegate* unmanaged<nint, byte, void>)enable)(((delegate* unmanaged<nint>)context)(), 0);
    }

    private static Tensor Some(long[] shape) => tensor([.. Enumerable.Range(0, (int)shape.Aggregate((product, size) => product * size)).Select(at => Math.Sin(at))], shape);
}
