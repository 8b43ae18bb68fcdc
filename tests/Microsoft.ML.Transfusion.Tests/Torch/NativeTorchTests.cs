using System.Diagnostics;
using Microsoft.ML.Transfusion.Torch;

namespace Microsoft.ML.Transfusion.Tests.Torch;

public sealed class NativeTorchTests : IDisposable
{
    private const string TorchSharpLibrary = "libLibTorchSharp.so";
    private readonly string _folder = Directory.CreateTempSubdirectory("native-torch-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Require_returns_when_the_application_carries_a_libtorch() => NativeTorch.Require();

    [SkippableFact]
    public void Require_names_the_packages_when_the_application_carries_no_libtorch()
    {
        DeployWithout("libtorch", TorchSharpLibrary);

        (int exitCode, string output) = Run(libtorchFolder: null);

        Assert.Equal(Application.NoNativeLibrary, exitCode);
        Assert.StartsWith("No libtorch was found. Reference one of the packages TorchSharp-cpu", output, StringComparison.Ordinal);
        Assert.Contains(NativeTorch.FolderVariable, output, StringComparison.Ordinal);
        Assert.Contains(_folder, output, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Require_names_TorchSharp_when_its_native_half_is_missing()
    {
        DeployWithout("TorchSharp's native half");

        (int exitCode, string output) = Run(libtorchFolder: null);

        Assert.Equal(Application.NoNativeLibrary, exitCode);
        Assert.StartsWith($"{TorchSharpLibrary} is in none of: {_folder}", output, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Require_says_which_file_does_not_load_when_libtorch_is_damaged()
    {
        DeployWithout("libtorch", TorchSharpLibrary);
        File.WriteAllText(Path.Combine(_folder, "libtorch_cpu.so"), "not a library");

        (int exitCode, string output) = Run(libtorchFolder: null);

        Assert.Equal(Application.NoNativeLibrary, exitCode);
        Assert.StartsWith($"{Path.Combine(_folder, "libtorch_cpu.so")} does not load", output, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Torch_runs_when_the_variable_names_a_folder_with_libtorch()
    {
        DeployWithout("libtorch", TorchSharpLibrary);
        Skip.IfNot(File.Exists(Path.Combine(AppContext.BaseDirectory, "libtorch_cpu.so")), "These tests were built without a libtorch.");

        (int exitCode, string output) = Run(libtorchFolder: AppContext.BaseDirectory);

        Assert.Equal((0, "sum 3\n"), (exitCode, output));
    }

    /// <summary>The tests' managed files and the named native ones. Without a deps.json the host takes whatever lies in the folder.</summary>
    private void DeployWithout(string what, params string[] nativeFiles)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), $"Only on Linux does the library load {what} itself.");
        string[] managed = [.. Directory.GetFiles(AppContext.BaseDirectory, "*.dll"), .. Directory.GetFiles(AppContext.BaseDirectory, "*.runtimeconfig.json")];
        foreach (string path in managed.Concat(nativeFiles.Select(name => Path.Combine(AppContext.BaseDirectory, name))))
            File.Copy(path, Path.Combine(_folder, Path.GetFileName(path)));
    }

    private (int ExitCode, string Output) Run(string? libtorchFolder)
    {
        string assembly = Path.Combine(_folder, Path.GetFileName(typeof(Application).Assembly.Location));
        var start = new ProcessStartInfo("dotnet", [assembly]) { RedirectStandardOutput = true };
        start.Environment.Remove("LD_LIBRARY_PATH");
        start.Environment[NativeTorch.FolderVariable] = libtorchFolder;
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }
}
