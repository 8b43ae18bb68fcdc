// Loads libtorch and TorchSharp's native half before TorchSharp itself tries to, because on Linux with a libstdc++ older than GCC 13's
// (Debian 12, Ubuntu 22.04, RHEL 9) TorchSharp 0.107 cannot. The repaired copy lives in memory; nothing on disk changes.
using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Microsoft.ML.Transfusion.Torch;

internal static partial class NativeTorch
{
    /// <summary>The environment variable that names a folder with libtorch's shared libraries, for machines that have their own.</summary>
    public const string FolderVariable = "TRANSFUSION_LIBTORCH";

    private const string TorchSharpLibrary = "libLibTorchSharp.so";
    private const int LazyGlobal = 0x1 | 0x100;                    // RTLD_LAZY | RTLD_GLOBAL
    private static Exception? _failure;

    /// <summary>Throws if no usable libtorch was found; every entry point that needs tensors calls this first.</summary>
    /// <exception cref="DllNotFoundException">No libtorch is referenced, or the one found does not load.</exception>
    public static void Require()
    {
        if (_failure is not null)
            throw new DllNotFoundException(_failure.Message, _failure);
    }

    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "Must run before the application's first use of TorchSharp, wherever that is.")]
    internal static void Initialize()
    {
        if (!OperatingSystem.IsLinux())
            return;
        try
        {
            Load();
        }
        catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException or IOException or Win32Exception)
        {
            _failure = exception;                                  // a module initializer must not throw: Require() does
        }
    }

    private static void Load()
    {
        string[] folders = SearchFolders();
        string library = Find(folders, TorchSharpLibrary)
            ?? throw new DllNotFoundException($"{TorchSharpLibrary} is in none of: {string.Join(", ", folders)}. It comes with the package TorchSharp.");
        string torch = Find(folders, "libtorch_cpu.so")
            ?? throw new DllNotFoundException("No libtorch was found. Reference one of the packages TorchSharp-cpu, TorchSharp-cuda-linux or "
                + $"TorchSharp-cuda-windows in the application, or set {FolderVariable} to a folder that holds libtorch_cpu.so. Searched: "
                + string.Join(", ", folders));
        string folder = Path.GetDirectoryName(torch)!;
        foreach (string name in (string[])["libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda.so", "libtorch.so"])
        {
            string path = Path.Combine(folder, name);
            if (File.Exists(path))
                Open(path);
        }
        if (HasCurrentStandardLibrary())
            Open(library);
        else
            OpenFromMemory(LibStdCxxCompatibility.Repair(File.ReadAllBytes(library)));
    }

    /// <summary>GCC 13 moved the initialisation of the standard streams into this symbol; TorchSharp 0.107 links to it.</summary>
    private static bool HasCurrentStandardLibrary() =>
        NativeLibrary.TryLoad("libstdc++.so.6", out nint library)
        && NativeLibrary.TryGetExport(library, LibStdCxxCompatibility.NewSymbol, out _);

    private static string[] SearchFolders()
    {
        string probing = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        string loader = Environment.GetEnvironmentVariable("LD_LIBRARY_PATH") ?? "";
        string[] folders =
        [
            Environment.GetEnvironmentVariable(FolderVariable) ?? "",
            AppContext.BaseDirectory,
            Path.Combine(AppContext.BaseDirectory, "runtimes", RuntimeInformation.RuntimeIdentifier, "native"),
            .. probing.Split(':'),
            .. loader.Split(':'),
        ];
        return [.. folders.Where(folder => folder.Length > 0).Select(Path.GetFullPath).Distinct()];
    }

    private static string? Find(string[] folders, string name) =>
        folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    private static void Open(string path)
    {
        if (dlopen(path, LazyGlobal) == 0)
            throw new DllNotFoundException($"{path} does not load: {Marshal.PtrToStringUTF8(dlerror())}");
    }

    /// <summary>Opens a library image without a file. Later look-ups by bare name find it through its SONAME.</summary>
    private static void OpenFromMemory(ReadOnlySpan<byte> image)
    {
        int descriptor = memfd_create(TorchSharpLibrary, 0);
        if (descriptor < 0)
            throw new Win32Exception(Marshal.GetLastPInvokeError(), "memfd_create failed");
        string path = $"/proc/self/fd/{descriptor}";
        using (FileStream stream = File.OpenWrite(path))
            stream.Write(image);
        Open(path);                                                // the descriptor stays open: the mapping is the process's own
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint dlopen(string path, int flags);

    [LibraryImport("libc")]
    private static partial nint dlerror();

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);
}
