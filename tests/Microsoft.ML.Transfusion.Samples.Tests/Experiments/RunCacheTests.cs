using Experiments;

namespace Microsoft.ML.Transfusion.Samples.Tests.Experiments;

public sealed class RunCacheTests : IDisposable
{
    private static readonly Experiment Small = new() { HiddenSize = 32, Layers = 1, Steps = 3 };

    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_run_is_known_by_everything_that_decides_it_and_by_nothing_else()
    {
        Experiment[] others =
        [
            Small with { Seed = 2 }, Small with { Steps = 4 }, Small with { CausalImages = true }, Small with { NoiseLimit = 1000 }, Small with { TextOnly = true },
            Small with { Encoder = PatchEncoding.UNet }, Small with { Objective = ImageObjective.DiscreteTokens }, Small with { Data = "/pictures" }, Small with { CaptionWeight = 1 },
        ];

        Assert.Equal(Small.Key, Experiment.FromJson(Small.ToJson()).Key);
        Assert.Equal(others.Length + 1, others.Append(Small).Select(run => run.Key).Distinct().Count());
    }

    [Fact]
    public void A_run_leaves_its_result_and_is_not_run_again()
    {
        var cache = new RunCache(_folder, 1);
        string own = cache.FolderOf(Small);
        Directory.CreateDirectory(own);
        File.WriteAllText(Path.Combine(own, "experiment.json"), Small.ToJson());

        RunCache.RunHere(own, "none");
        DateTime written = File.GetLastWriteTimeUtc(Path.Combine(own, "result.json"));
        RunCache.RunHere(own, "none");

        RunResult result = cache[Small];
        Assert.Equal(written, File.GetLastWriteTimeUtc(Path.Combine(own, "result.json")));
        Assert.True(result is { Flops: > 1e8, TextLoss: > 0, CaptionLoss: > 0, PictureLoss: > 0, CaptionsCorrect: >= 0, DrawnCorrectly: >= 0 }, result.ToString());
        Assert.False(Directory.Exists(Path.Combine(own, "checkpoints")));
        Assert.True(File.Exists(Path.Combine(own, "drawn.png")));
        Assert.Throws<InvalidOperationException>(() => cache[Small with { Seed = 2 }]);
    }
}
