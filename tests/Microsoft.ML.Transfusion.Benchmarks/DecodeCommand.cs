// decode: one token for every row of a batch, against the products of the same weights alone.
using System.CommandLine;
using Microsoft.ML.Transfusion.Generation;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal static class DecodeCommand
{
    private static readonly Option<int> Threads = GenerationBench.Threads;
    private static readonly Option<int> Dim = TrainStepCommand.Number("--dim", "Width of the residual stream.", 512);
    private static readonly Option<int> Layers = TrainStepCommand.Number("--layers", "Transformer blocks.", 8);
    private static readonly Option<int> Heads = TrainStepCommand.Number("--heads", "Attention heads.", 8);
    private static readonly Option<int> Batch = TrainStepCommand.Number("--batch", "Rows.", 1);
    private static readonly Option<int> Position = TrainStepCommand.Number("--position", "Positions that a row already has.", 128);
    private static readonly Option<int> Rounds = TrainStepCommand.Number("--rounds", "Measurements of which the median is taken.", 31);

    public static System.CommandLine.Command Create()
    {
        var command = new System.CommandLine.Command("decode", "Measures the next token of every row against the products of the same weights alone, in 32 bit on the CPU.") { Threads, Dim, Layers, Heads, Batch, Position, Rounds };
        command.SetAction(Run);
        return command;
    }

    private static void Run(ParseResult parsed)
    {
        int threads = parsed.GetValue(Threads), batch = parsed.GetValue(Batch), rounds = parsed.GetValue(Rounds);
        using var bench = new GenerationBench(parsed.GetValue(Dim), parsed.GetValue(Layers), parsed.GetValue(Heads), threads);
        using SequenceGenerator generator = bench.CreateGenerator();
        using var floor = new ProductFloor(bench.Config.Transformer, batch, (batch, GenerationBench.Vocabulary));
        using var scope = NewDisposeScope();
        var clock = new StepClock(threads, isCuda: false);
        var options = new GenerationOptions { MaxNewTokens = 800 };
        for (int row = 0; row < batch; row++)
            generator.Admit(generator.CreateRow(new RowRequest(GenerationBench.Prompt(parsed.GetValue(Position), row), RowMode.Text, options, (ulong)row)));
        generator.Step();                                   // reads the prompts
        Console.WriteLine($"{bench.Config.Transformer.HiddenSize} wide, {bench.Config.Transformer.NumberOfLayers} layers, {bench.MillionWeights:F1} M weights, f32, {batch} rows at position {parsed.GetValue(Position)}; "
            + $"{threads} threads, {clock.Name}, median of {rounds}.");
        double[] times = clock.Medians(rounds, generator.Step, floor.Run);
        if (generator.Count != batch)
            throw new InvalidOperationException("A row ended while it was measured.");
        double bytes = bench.MillionWeights * 4e6;
        Console.WriteLine($"one token a row     {times[0],9:F3} ms   {bytes / times[0] / 1e6:F1} GB/s of weights");
        Console.WriteLine($"floor: the products {times[1],9:F3} ms   {bytes / times[1] / 1e6:F1} GB/s, by libtorch{(floor.IsTransposed ? ", weights transposed" : "")}");
        GenerationBench.PrintJson(new
        {
            stepMs = Math.Round(times[0], 4),
            floorMs = Math.Round(times[1], 4),
            ratio = Math.Round(times[0] / times[1], 4),
            tokensPerSecond = Math.Round(batch / times[0] * 1e3, 1),
            dtype = "f32",
            threads,
            device = "cpu",
            batch,
        });
    }
}
