// Numbers recorded from other projects' code: NAME.safetensors beside NAME.json. They lie where TRANSFUSION_FIXTURES says, else in
// ../shared/fixtures, else in the subset that the repository carries. Tests take sizes, seeds, spans and options from the files.
using System.Text.Json;
using Microsoft.ML.Transfusion.Tests.Architecture;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

internal sealed class GoldenFile
{
    public const string Category = "Golden";

    /// <summary>Before a name: a recording of the same originals with other seeds and sizes, which the repository carries beside the first.</summary>
    public const string Second = "second/";

    private const string Variable = "TRANSFUSION_FIXTURES";

    /// <summary>The recordings that the repository carries.</summary>
    public static readonly string Carried = Path.Combine(Repository.Root, "tests", "Microsoft.ML.Transfusion.Tests", "Golden", "fixtures");

    private GoldenFile(string name, JsonElement json, IReadOnlyDictionary<string, Tensor> tensors) => (Name, Json, Tensors) = (name, json, tensors);

    /// <summary>The folder in use.</summary>
    public static string Folder { get; } = FindFolder();

    public string Name { get; }

    /// <summary>NAME.json: what was run, with which settings.</summary>
    public JsonElement Json { get; }

    public JsonElement Config => Json.GetProperty("config");

    public IReadOnlyDictionary<string, Tensor> Tensors { get; }

    public Tensor this[string key] => Tensors[key];

    /// <summary>Reads a recording into the current dispose scope; skips the test where the folder has none of that name.</summary>
    public static GoldenFile Open(string name)
    {
        if (name.StartsWith(Second, StringComparison.Ordinal))
            return OpenCarried(name);
        PathOf(name + ".json");
        return Read(Folder, name);
    }

    /// <summary>Reads a recording that only the repository has.</summary>
    public static GoldenFile OpenCarried(string name) => Read(Carried, name);

    /// <summary>A file of the folder; skips the test where there is none.</summary>
    public static string PathOf(string file)
    {
        string path = Path.Combine(Folder, file);
        Skip.IfNot(File.Exists(path), $"{Folder} has no {file}.");
        return path;
    }

    /// <summary>Compares with the recorded tensor of that name, absolutely, and reports the difference.</summary>
    public void Check(string key, Tensor actual, double tolerance) => Check(key, this[key], actual, tolerance);

    /// <param name="quantity">The line of the report; checks of one quantity share it, which then shows the largest difference.</param>
    public void Check(string quantity, Tensor expected, Tensor actual, double tolerance, string what = "")
    {
        GoldenReport.Add(Name, quantity, expected, actual, tolerance);
        TensorAssert.Close(expected, actual, tolerance, $"{Name}, {quantity}{(what.Length > 0 ? ", " : "")}{what}");
    }

    /// <param name="relative">Whether the tolerance is a share of the expected value.</param>
    public void Check(string quantity, double expected, double actual, double tolerance, bool relative = false)
    {
        double difference = GoldenReport.Add(Name, quantity, expected, actual, tolerance, relative);
        Assert.True(difference <= tolerance, $"{Name}, {quantity} is {actual:g9}, not {expected:g9}: {(relative ? "a share" : "a difference")} of {difference:g3}, more than {tolerance:g3}.");
    }

    /// <summary>Compares whole numbers, such as token ids and timesteps, which must be equal.</summary>
    public void CheckEqual(string quantity, IEnumerable<long> expected, IEnumerable<long> actual)
    {
        long[] recorded = [.. expected], ours = [.. actual];
        GoldenReport.Add(Name, quantity, recorded.SequenceEqual(ours) ? 0 : 1, 0, 0, relative: false);
        Assert.Equal(recorded, ours);
    }

    private static GoldenFile Read(string folder, string name)
    {
        JsonElement json = JsonElement.Parse(File.ReadAllBytes(Path.Combine(folder, name + ".json")));
        string tensors = Path.Combine(folder, name + ".safetensors");
        if (!File.Exists(tensors))
            return new GoldenFile(name, json, new Dictionary<string, Tensor>());
        using FileStream stream = File.OpenRead(tensors);
        return new GoldenFile(name, json, SafeTensors.Read(stream));
    }

    private static string FindFolder()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } given)
            return Directory.Exists(given) ? given : throw new DirectoryNotFoundException($"{Variable} names {given}, which is not there.");
        string shared = Path.GetFullPath(Path.Combine(Repository.Root, "..", "shared", "fixtures"));
        return Directory.Exists(shared) ? shared : Carried;
    }
}
