// Where the sources are that the architecture tests read.
namespace Microsoft.ML.Transfusion.Tests.Architecture;

internal static class Repository
{
    public static string Root { get; } = FindRoot(AppContext.BaseDirectory);

    public static string Library { get; } = Path.Combine(Root, "src", "Microsoft.ML.Transfusion");

    /// <summary>The library's C# files by their path below its folder, with slashes.</summary>
    public static IEnumerable<string> LibraryFiles { get; } =
        [.. from path in Directory.EnumerateFiles(Library, "*.cs", SearchOption.AllDirectories)
            let name = Path.GetRelativePath(Library, path).Replace('\\', '/')
            where !name.StartsWith("obj/", StringComparison.Ordinal) && !name.StartsWith("bin/", StringComparison.Ordinal)
            orderby name
            select name];

    private static string FindRoot(string folder) =>
        File.Exists(Path.Combine(folder, "Microsoft.ML.Transfusion.sln")) ? folder : FindRoot(Path.GetDirectoryName(folder)
            ?? throw new DirectoryNotFoundException("These tests read the sources: run them inside the repository."));
}
