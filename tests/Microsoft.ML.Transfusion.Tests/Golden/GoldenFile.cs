// Numbers recorded from other projects' code, in ../shared/fixtures beside the repository or where TRANSFUSION_FIXTURES says.
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

internal static class GoldenFile
{
    private const string Variable = "TRANSFUSION_FIXTURES";

    private static readonly string? Folder = Find();

    /// <summary>Reads <c>name.safetensors</c> into the current dispose scope; skips the test where there are no fixtures.</summary>
    public static Dictionary<string, Tensor> Read(string name)
    {
        Skip.If(Folder is null, $"The recorded numbers of ../shared/fixtures are not on this machine, and {Variable} does not say where they are.");
        using FileStream stream = File.OpenRead(Path.Combine(Folder, name + ".safetensors"));
        return SafeTensors.Read(stream);
    }

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } given)
            return given;
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string candidate = Path.Combine(folder.FullName, "shared", "fixtures");
            if (Directory.Exists(candidate))
                return candidate;
        }
        return null;
    }
}
