// callers: many threads that call one model at once, against the same calls one after the other.
using System.CommandLine;
using System.Diagnostics;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal static class CallersCommand
{
    private static readonly Option<int> Callers = TrainStepCommand.Number("--callers", "Threads that call.", 16);
    private static readonly Option<int> Calls = TrainStepCommand.Number("--calls", "Calls of each: captions and drawings in turns.", 200);
    private static readonly Option<int> Steps = TrainStepCommand.Number("--steps", "Denoising steps of a drawing.", 4);

    public static System.CommandLine.Command Create()
    {
        var command = new System.CommandLine.Command("callers", "Measures concurrent calls of one model against the same calls in turn, and compares what they give.") { Callers, Calls, Steps };
        command.SetAction(Run);
        return command;
    }

    private static void Run(ParseResult parsed)
    {
        int callers = parsed.GetValue(Callers), calls = parsed.GetValue(Calls);
        var ml = new MLContext(1);
        using TransfusionTransformer trained = BriefModel.Train(ml, TransformerConfig.Mini);
        var options = new GenerationOptions { NumberOfInferenceSteps = parsed.GetValue(Steps), MaxNewTokens = 12, Temperature = 1 };
        MLImage[] pictures = [.. Enumerable.Range(0, calls).Select(BriefModel.Picture)];
        string Answer(int caller, int call)
        {
            GenerationOptions own = options with { Seed = caller };
            if (call % 2 == 0)
                return trained.Model.Caption(pictures[call], own);
            using MLImage drawing = trained.Model.GenerateImage(BriefModel.Caption(call), own);
            return Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(drawing.Pixels));
        }

        for (int call = 0; call < 4; call++)
            Answer(0, call);                                // warm
        string[,] inTurn = new string[callers, calls], together = new string[callers, calls];
        var clock = Stopwatch.StartNew();
        for (int caller = 0; caller < callers; caller++)
            for (int call = 0; call < calls; call++)
                inTurn[caller, call] = Answer(caller, call);
        double turns = clock.Elapsed.TotalSeconds, quarter = 0;
        int done = 0;
        clock.Restart();
        Thread[] threads = [.. Enumerable.Range(0, callers).Select(caller => new Thread(() =>
        {
            for (int call = 0; call < calls; call++)
            {
                together[caller, call] = Answer(caller, call);
                if (Interlocked.Increment(ref done) == callers * calls / 4)
                    quarter = ResidentMemory.MiB;
            }
        }))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        double at = clock.Elapsed.TotalSeconds, end = ResidentMemory.MiB;
        int different = inTurn.Cast<string>().Zip(together.Cast<string>()).Count(pair => pair.First != pair.Second);
        Console.WriteLine($"{callers} callers × {calls} calls: in turn {turns:F1} s, at once {at:F1} s, {turns / at:F2} times the throughput; {different} answers differ; "
            + $"resident {quarter:F0} MiB after a quarter, {end:F0} MiB at the end; {get_num_threads()} threads of the network.");
        GenerationBench.PrintJson(new { stepMs = Math.Round(at * 1e3 / (callers * calls), 3), floorMs = Math.Round(turns * 1e3 / (callers * calls), 3), ratio = Math.Round(at / turns, 4), throughput = Math.Round(turns / at, 3), different, device = "cpu" });
    }
}
