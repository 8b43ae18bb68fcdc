// Dependencies point down only: what a file may use, told from its folder and its using lines.
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Microsoft.ML.Transfusion.Tests.Architecture;

public partial class LayeringTests
{
    private const string Prefix = "Microsoft.ML.Transfusion.";

    // From the bottom up. A file may use its own layer and those below; every other file of the root is above them all.
    private static readonly string[][] Layers =
    [
        ["Torch"],
        ["Codecs", "Modeling", "Diffusion", "Sequences"],
        ["Training", "Generation", "Evaluation"],
        ["Serialization", "Tokenization", "Imaging"],
        ["TransfusionModel.cs", "TransfusionModel.Batches.cs", "TransfusionModel.Sequences.cs", "TransfusionModel.Editing.cs", "AnswerParts.cs"],
        ["Data", "Interop"],
        ["Experiments"],
    ];

    public static TheoryData<string> Files => [.. Repository.LibraryFiles];

    [Theory]
    [MemberData(nameof(Files))]
    public void A_file_uses_only_its_own_layer_and_those_below(string file)
    {
        int layer = LayerOf(file.Split('/')[0]);

        Assert.DoesNotContain(Usings(file), name => name.StartsWith(Prefix, StringComparison.Ordinal)
            && LayerOf(name[Prefix.Length..].Split('.')[0]) > layer);
        if (layer < LayerOf("TransfusionModel.cs"))
            Assert.DoesNotMatch(@"\bTransfusion(Model|Trainer|Transformer|Catalog)\b|\bGenerationCatalog\b", Code(file));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void A_numeric_file_uses_only_TorchSharp_and_the_base_class_library(string file)
    {
        if (LayerOf(file.Split('/')[0]) <= LayerOf("Modeling"))
            Assert.All(Usings(file), name => Assert.Matches(@"^(System|TorchSharp|Microsoft\.ML\.Transfusion)\b", name));
    }

    [Fact]
    public void Diffusion_and_Modeling_do_not_know_each_other()
    {
        foreach ((string folder, string other) in ((string, string)[])[("Diffusion/", "Modeling"), ("Modeling/", "Diffusion")])
        {
            string[] usings = [.. Repository.LibraryFiles.Where(file => file.StartsWith(folder, StringComparison.Ordinal)).SelectMany(Usings)];
            Assert.DoesNotContain(Prefix + other, usings);
        }
    }

    [Fact]
    public void Every_folder_has_its_place_in_the_order() =>
        Assert.All(Repository.LibraryFiles.Where(file => file.Contains('/')), file => Assert.Contains(file.Split('/')[0], Layers.SelectMany(names => names)));

    [Theory]
    [MemberData(nameof(Files))]
    public void Only_MLNetInternals_names_an_internal_type_of_MLNet(string file)
    {
        if (file != "Interop/MLNetInternals.cs")
            Assert.DoesNotMatch($@"\b({string.Join('|', InternalTypes())})\b", Code(file));
    }

    /// <summary>The types that the build makes public for the compiler (the project's Publicize items) and that ML.NET keeps to itself.</summary>
    private static string[] InternalTypes()
    {
        XDocument project = XDocument.Load(Path.Combine(Repository.Library, "Microsoft.ML.Transfusion.csproj"));
        string[] names = [.. project.Descendants().Where(item => item.Name.LocalName.StartsWith("Publicize", StringComparison.Ordinal))
            .SelectMany(item => item.Attribute("Include")!.Value.Split(';'))];
        Type[] types = [.. names.Select(name => typeof(ITransformer).Assembly.GetType(name) ?? typeof(MLContext).Assembly.GetType(name, throwOnError: true)!)];
        string[] kept = [.. types.Where(type => !type.IsVisible).Select(type => type.Name)];
        Assert.NotEmpty(kept);
        return [.. kept, .. kept.Where(name => name.EndsWith("Attribute", StringComparison.Ordinal)).Select(name => name[..^"Attribute".Length])];
    }

    private static int LayerOf(string folder) =>
        Array.FindIndex(Layers, names => names.Contains(folder)) is >= 0 and int layer ? layer : Layers.Length;

    private static IEnumerable<string> Usings(string file) => UsingLine().Matches(Code(file)).Select(match => match.Groups[1].Value);

    private static string Code(string file) =>
        string.Join('\n', File.ReadLines(Path.Combine(Repository.Library, file)).Where(line => !line.TrimStart().StartsWith("//", StringComparison.Ordinal)));

    [GeneratedRegex(@"^using (?:static )?(?:\w+ = )?([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex UsingLine();
}
