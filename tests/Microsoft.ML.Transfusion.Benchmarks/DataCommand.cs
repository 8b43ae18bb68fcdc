// data: trains on a folder of pictures through the ordinary pipeline and tells what the data cost: memory beyond the model's, time of the
// reading pass, and the share of the training time in which the network waited for them. docs/training-data.md explains the figures.
using System.CommandLine;
using System.Text.Json;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal static class DataCommand
{
    private const int SmallFolder = 64;

    private static readonly Option<int> Pictures = new("--pictures") { Description = "Pictures to make.", DefaultValueFactory = _ => 100_000 };
    private static readonly Option<string?> Folder = new("--folder") { Description = "A folder of captioned pictures to train on; one is made and removed if not given." };
    private static readonly Option<int> Size = new("--size") { Description = "Height and width of the pictures that are made.", DefaultValueFactory = _ => 32 };
    private static readonly Option<int> Steps = new("--steps") { Description = "Steps to train.", DefaultValueFactory = _ => 300 };
    private static readonly Option<int> CacheMemory = new("--cache-memory") { Description = "MiB of memory for the data; what is beyond goes to disk.", DefaultValueFactory = _ => 1024 };
    private static readonly Option<bool> TinyModel = new("--tiny-model") { Description = "Trains a network of a few thousand weights, whose steps wait for nothing but data." };

    public static System.CommandLine.Command Create()
    {
        var command = new System.CommandLine.Command("data", "Measures what training data cost: memory, reading time, and waiting.") { Pictures, Folder, Size, Steps, CacheMemory, TinyModel };
        command.SetAction(parsed => Run(parsed));
        return command;
    }

    private static void Run(ParseResult parsed)
    {
        string made = Path.Combine(Path.GetTempPath(), $"transfusion-pictures-{Environment.ProcessId}");
        try
        {
            string folder = parsed.GetValue(Folder) ?? PictureFolder.Make(Path.Combine(made, "all"), parsed.GetValue(Pictures), parsed.GetValue(Size));
            // The model alone: the same network and batches on a handful of pictures.
            DataRun model = DataRun.Of(PictureFolder.Make(Path.Combine(made, "few"), SmallFolder, parsed.GetValue(Size)), Options(parsed) with { NumberOfSteps = Math.Min(50, parsed.GetValue(Steps)) });
            ResidentMemory.ResetPeak();
            DataRun run = DataRun.Of(folder, Options(parsed));
            Print(parsed, model, run);
        }
        finally
        {
            if (Directory.Exists(made))
                Directory.Delete(made, recursive: true);
        }
    }

    private static TransfusionTrainer.Options Options(ParseResult parsed) => new()
    {
        Transformer = parsed.GetValue(TinyModel) ? new() { HiddenSize = 16, NumberOfLayers = 1, NumberOfHeads = 2 } : TransformerConfig.Tiny,
        NumberOfSteps = parsed.GetValue(Steps),
        CacheMemory = (long)parsed.GetValue(CacheMemory) << 20,
        Seed = 1,
    };

    private static void Print(ParseResult parsed, DataRun model, DataRun run)
    {
        Console.WriteLine($"{run.Pictures:N0} pictures, {parsed.GetValue(CacheMemory)} MiB of cache memory, {run.Steps} steps of batches of {new OptimizerConfig().BatchSize}");
        Console.WriteLine($"  list and captions      {run.ListSeconds,8:F1} s");
        Console.WriteLine($"  reading pass           {run.ReadSeconds,8:F1} s   {run.Pictures / run.ReadSeconds,8:N0} pictures/s");
        Console.WriteLine($"  where the data are     {run.Cache}");
        Console.WriteLine($"  training               {run.TrainSeconds,8:F1} s   {run.TrainSeconds / run.Steps * 1000,8:F1} ms a step, {run.WaitingShare:P2} of it waiting for data");
        Console.WriteLine($"  peak memory            {run.PeakMiB,8:N0} MiB, {model.PeakMiB:N0} MiB of it with {model.Pictures} pictures");
        Console.WriteLine($"  after ¼ of the steps   {run.QuarterMiB,8:N0} MiB, at the end {run.EndMiB:N0} MiB");
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            pictures = run.Pictures,
            cacheMemoryMiB = parsed.GetValue(CacheMemory),
            steps = run.Steps,
            peakMiB = Math.Round(run.PeakMiB - model.PeakMiB, 1),
            modelMiB = Math.Round(model.PeakMiB, 1),
            quarterMiB = Math.Round(run.QuarterMiB, 1),
            endMiB = Math.Round(run.EndMiB, 1),
            waitingShare = Math.Round(run.WaitingShare, 5),
            readSeconds = Math.Round(run.ReadSeconds, 2),
            listSeconds = Math.Round(run.ListSeconds, 2),
            stepMs = Math.Round(run.TrainSeconds / run.Steps * 1000, 2),
        }));
    }
}
