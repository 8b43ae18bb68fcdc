// The test assembly as an application of its own: NativeTorchTests starts it in folders from which native libraries were taken away.
using System.Runtime.CompilerServices;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Torch;

internal static class Application
{
    public const int NoNativeLibrary = 3;

    private static int Main()
    {
        try
        {
            NativeTorch.Require();
            Console.WriteLine($"sum {ones(3).sum().ToSingle()}");
            return 0;
        }
        catch (DllNotFoundException exception)
        {
            Console.WriteLine(exception.Message);
            return NoNativeLibrary;
        }
    }

    /// <summary>Tests may reach for TorchSharp before they touch the library, whose own initializer would then be too late.</summary>
    [ModuleInitializer]
    internal static void LoadNativeTorch() => RuntimeHelpers.RunModuleConstructor(typeof(NativeTorch).Module.ModuleHandle);
}
