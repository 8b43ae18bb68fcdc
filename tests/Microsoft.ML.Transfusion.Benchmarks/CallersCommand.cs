// callers: many threads that call one model at once, against the same calls one after the other.
using System.CommandLine;
using System.Diagnostics;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal static class CallersCommand
{
    private static readonly Option<int> Callers = TrainStepCommand.Number("--callers", "Threads that call.", 16);
    private static readonly Option<int> Calls = TrainStepCommand.Number("--calls", "Calls of each.", 200);
    private static readonly Option<string[]> Kinds = new Option<string[]>("--kinds")
    {
        Description = "What is called for: captions, drawings, or both in turns.",
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => ["captions", "drawings", "both"],
    }.AcceptOnlyFromAmong("captions", "drawings", "both");

    private static readonly Option<int?> Gpu = new("--gpu") { Description = "Number of the GPU to use, from 0; the CPU if not given." };
    private static readonly Option<int> Steps = TrainStepCommand.Number("--steps", "Denoising steps of a drawing.", 4);
    private static readonly Option<int> PatchSize = TrainStepCommand.Number("--patch-size", "Pixels along a patch of 32×32 pictures: 4 is the trainer's default, 8 the Shapes sample's.", 4);

    public static System.CommandLine.Command Create()
    {
        var command = new System.CommandLine.Command("callers", "Measures concurrent calls of one model against the same calls in turn, captions, drawings, and both, and compares what they give.") { Callers, Calls, Steps, PatchSize, Kinds, Gpu };
        command.SetAction(Run);
        return command;
    }

    private static void Run(ParseResult parsed)
    {
        int callers = parsed.GetValue(Callers), calls = parsed.GetValue(Calls);
        var ml = new MLContext(1) { GpuDeviceId = parsed.GetValue(Gpu) };
        using TransfusionTransformer trained = BriefModel.Train(ml, TransformerConfig.Mini, new ImageCodecConfig { PatchSize = parsed.GetValue(PatchSize) });
        var options = new GenerationOptions { NumberOfInferenceSteps = parsed.GetValue(Steps), MaxNewTokens = 32, Temperature = 1 };
        MLImage[] pictures = [.. Enumerable.Range(0, callers * calls).Select(BriefModel.Picture)];
        string Describe(int caller, int call) => trained.Model.Caption(pictures[caller * calls + call], options with { Seed = caller });
        string Draw(int caller, int call)
        {
            using MLImage drawing = trained.Model.GenerateImage(BriefModel.Caption(caller * calls + call), options with { Seed = caller });
            return Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(drawing.Pixels));
        }
        Dictionary<string, Func<int, int, string>> answers = new()
        {
            ["captions"] = Describe,
            ["drawings"] = Draw,
            ["both"] = (caller, call) => call % 2 == 0 ? Describe(caller, call) : Draw(caller, call),
        };
        foreach (string kind in parsed.GetRequiredValue(Kinds))
        {
            Comparison comparison = Compare(callers, calls, answers[kind]);
            comparison.Print(kind);
            GenerationBench.PrintJson(new
            {
                kind,
                patchSize = parsed.GetValue(PatchSize),
                stepMs = Math.Round(comparison.AtOnce * 1e3 / (callers * calls), 3),
                floorMs = Math.Round(comparison.InTurn * 1e3 / (callers * calls), 3),
                ratio = Math.Round(comparison.AtOnce / comparison.InTurn, 4),
                throughput = Math.Round(comparison.InTurn / comparison.AtOnce, 3),
                different = comparison.Different,
                threads = get_num_threads(),
                device = parsed.GetValue(Gpu) is null ? "cpu" : "cuda",
            });
        }
    }

    /// <summary>The same calls one after the other and from many threads.</summary>
    private static Comparison Compare(int callers, int calls, Func<int, int, string> answer)
    {
        for (int call = 0; call < Math.Min(4, calls); call++)
            answer(0, call);                                // warm
        string[,] inTurn = new string[callers, calls], together = new string[callers, calls];
        var clock = Stopwatch.StartNew();
        for (int caller = 0; caller < callers; caller++)
            for (int call = 0; call < calls; call++)
                inTurn[caller, call] = answer(caller, call);
        double turns = clock.Elapsed.TotalSeconds, quarter = 0;
        int done = 0;
        clock.Restart();
        Thread[] threads = [.. Enumerable.Range(0, callers).Select(caller => new Thread(() =>
        {
            for (int call = 0; call < calls; call++)
            {
                together[caller, call] = answer(caller, call);
                if (Interlocked.Increment(ref done) == callers * calls / 4)
                    quarter = ResidentMemory.MiB;
            }
        }))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        double at = clock.Elapsed.TotalSeconds;
        return new Comparison(callers, calls, turns, at, inTurn.Cast<string>().Zip(together.Cast<string>()).Count(pair => pair.First != pair.Second), quarter, ResidentMemory.MiB);
    }

    private sealed record Comparison(int Callers, int Calls, double InTurn, double AtOnce, int Different, double QuarterMiB, double EndMiB)
    {
        public void Print(string what) => Console.WriteLine($"{Callers} callers × {Calls} {what}: in turn {InTurn:F1} s, at once {AtOnce:F1} s, {InTurn / AtOnce:F2} times the throughput; {Different} answers differ; "
            + $"resident {QuarterMiB:F0} MiB after a quarter, {EndMiB:F0} MiB at the end.");
    }
}
