// C# in README.md and docs/ is compiled code: a comment before each block names the region of a source file that it repeats,
//     <!-- region: samples/Shapes/Readme.cs#train -->
// and the two must be equal but for the region's indentation.
using System.Text.RegularExpressions;

namespace Microsoft.ML.Transfusion.Tests.Architecture;

public partial class DocumentedCodeTests
{
    public static TheoryData<string> Pages => [.. from path in Directory.GetFiles(Repository.Root, "README.md")
            .Concat(Directory.GetFiles(Path.Combine(Repository.Root, "docs"), "*.md", SearchOption.AllDirectories))
                                                  select Path.GetRelativePath(Repository.Root, path).Replace('\\', '/')];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Code_blocks_equal_the_compiled_regions_they_name(string page) =>
        Assert.Empty(Problems(File.ReadAllText(Path.Combine(Repository.Root, page)), name => File.ReadAllText(Path.Combine(Repository.Root, name))));

    [Theory]
    [InlineData("```csharp\nint x = 1;\n```", "names no region")]
    [InlineData("<!-- region: A.cs#one -->\nwords\n```csharp\nint x = 1;\n```", "names no region")]
    [InlineData("<!-- region: A.cs#one -->\n```csharp\nint x = 2;\n```", "differs")]
    [InlineData("<!-- region: A.cs#three -->\n```cs\nint x = 1;\n```", "no region 'three'")]
    [InlineData("<!-- region: A.cs#one -->\n```csharp\nint x = 1;\n```", null)]
    [InlineData("<!-- region: A.cs#two -->\r\n\r\n```csharp\r\nif (x > 0)\r\n    x++;\r\n\r\nreturn;\r\n```\r\n", null)]
    [InlineData("```bash\ndotnet test\n```\n\n```\nint x;\n```", null)]
    public void Problems_finds_blocks_that_are_not_compiled(string markdown, string? problem)
    {
        const string source = "class A\n{\n    #region one\n    int x = 1;\n    #endregion\n    #region two\n    if (x > 0)\n        x++;\n\n    return;\n    #endregion\n}\n";

        string[] problems = [.. Problems(markdown, name => name == "A.cs" ? source : throw new FileNotFoundException(name))];

        Assert.Equal(problem is null ? 0 : 1, problems.Length);
        Assert.All(problems, found => Assert.Contains(problem!, found, StringComparison.Ordinal));
    }

    private static IEnumerable<string> Problems(string markdown, Func<string, string> readSource)
    {
        markdown = markdown.ReplaceLineEndings("\n");
        foreach (Match block in CSharpBlock().Matches(markdown))
        {
            string code = block.Groups["code"].Value;
            Match marker = Marker().Match(markdown[..block.Index]);
            string name = marker.Groups["name"].Value;
            if (!marker.Success)
                yield return $"names no region: {code}";
            else if (FindRegion(readSource(marker.Groups["file"].Value), name) is not string region)
                yield return $"no region '{name}' in {marker.Groups["file"].Value}";
            else if (region != code.TrimEnd())
                yield return $"differs from region '{name}':\n{code}\n---\n{region}";
        }
    }

    private static string? FindRegion(string source, string name)
    {
        Match region = Regex.Match(source.ReplaceLineEndings("\n"), $@"^[ ]*#region {Regex.Escape(name)}\n(.*?)^[ ]*#endregion", RegexOptions.Multiline | RegexOptions.Singleline);
        if (!region.Success)
            return null;
        string[] lines = region.Groups[1].Value.TrimEnd().Split('\n');
        int indentation = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return string.Join('\n', lines.Select(line => line.Length > 0 ? line[indentation..] : line));
    }

    [GeneratedRegex(@"^```(?:csharp|cs|c#)[ ]*\n(?<code>.*?)^```[ ]*$", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.IgnoreCase)]
    private static partial Regex CSharpBlock();

    [GeneratedRegex(@"<!-- region: (?<file>[^#\s]+)#(?<name>\S+) -->\s*\z")]
    private static partial Regex Marker();
}
