// denoise: one denoising step against the products of its positions alone, and what the cached prefix saves.
using System.CommandLine;
using Microsoft.ML.Transfusion.Generation;
using Microsoft.ML.Transfusion.Modeling;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal static class DenoiseCommand
{
    private static readonly Option<int> Threads = GenerationBench.Threads;
    private static readonly Option<int> Dim = TrainStepCommand.Number("--dim", "Width of the residual stream.", 384);
    private static readonly Option<int> Layers = TrainStepCommand.Number("--layers", "Transformer blocks.", 8);
    private static readonly Option<int> Heads = TrainStepCommand.Number("--heads", "Attention heads.", 8);
    private static readonly Option<int> Batch = TrainStepCommand.Number("--batch", "Images.", 16);
    private static readonly Option<int> Rounds = TrainStepCommand.Number("--rounds", "Measurements of which the median is taken, of times and of what one round saves; the memory of a shared machine makes fewer differ by a twentieth.", 41);
    private static readonly int[] Prefixes = [64, 192];

    public static System.CommandLine.Command Create()
    {
        var command = new System.CommandLine.Command("denoise", "Measures a denoising step of 64 image positions with cached text, against the whole sequence and against its products alone, in 32 bit on the CPU.")
            { Threads, Dim, Layers, Heads, Batch, Rounds };
        command.SetAction(Run);
        return command;
    }

    private static void Run(ParseResult parsed)
    {
        int threads = parsed.GetValue(Threads), batch = parsed.GetValue(Batch), rounds = parsed.GetValue(Rounds);
        using var bench = new GenerationBench(parsed.GetValue(Dim), parsed.GetValue(Layers), parsed.GetValue(Heads), threads);
        using var scope = NewDisposeScope();
        var clock = new StepClock(threads, isCuda: false);
        int patches = bench.Config.Grid.PatchCount;
        using var floor = new ProductFloor(bench.Config.Transformer, batch * patches, (batch * patches, StepShape.PatchVectorSize));
        Console.WriteLine($"{bench.Config.Transformer.HiddenSize} wide, {bench.Config.Transformer.NumberOfLayers} layers, {bench.MillionWeights:F1} M weights, f32, {batch} images of {patches} patches; "
            + $"{threads} threads, {clock.Name}, median of {rounds}.");
        var savings = new Dictionary<string, double>();
        double step = 0, products = 0;
        foreach (int prefix in Prefixes)
        {
            PassPart text = PassPart.Tokens([.. Enumerable.Range(5, prefix)]);
            PassPart image = PassPart.Image([.. Enumerable.Range(0, patches * StepShape.PatchVectorSize).Select(i => MathF.Sin(i))], patches, timestep: 500);
            RowCache[] read = [.. Enumerable.Range(0, batch).Select(_ => bench.Inference.CreateCache(prefix + patches))];
            RowCache[] empty = [.. Enumerable.Range(0, batch).Select(_ => bench.Inference.CreateCache(prefix + patches))];
            bench.Inference.Run([.. read.Select(cache => new RowPass(cache, [text], PassResult.None))]);
            void Cached() => bench.Inference.Run([.. read.Select(cache => new RowPass(cache, [image], PassResult.Patches, Keeps: false))]);
            void Whole() => bench.Inference.Run([.. empty.Select(cache => new RowPass(cache, [text, image], PassResult.Patches, Keeps: false))]);
            using var denoising = Denoising(bench, batch, prefix);
            double[][] measured = clock.Rounds(rounds, Cached, Whole, floor.Run, denoising.Step);
            double[] times = [.. measured.Select(StepClock.Median)];
            double saving = StepClock.Median(measured[1].Zip(measured[0], (whole, cached) => whole / cached));     // of one round: what slows the machine for long slows both
            Console.WriteLine($"{prefix,4} text positions: cached {times[0],8:F2} ms, the whole sequence {times[1],8:F2} ms, {saving:F3} times as long ({times[1] / times[0]:F3} by the medians); products alone {times[2],8:F2} ms; "
                + $"a whole step with its sampler {times[3],8:F2} ms, {times[3] / times[2]:F3} of the products");
            savings[$"speedup{prefix}"] = Math.Round(saving, 3);
            if (prefix == Prefixes[0])
                (step, products) = (times[3], times[2]);
            foreach (RowCache cache in read.Concat(empty))
                cache.Dispose();
        }
        GenerationBench.PrintJson(new
        {
            stepMs = Math.Round(step, 3),
            floorMs = Math.Round(products, 3),
            ratio = Math.Round(step / products, 4),
            speedup64 = savings["speedup64"],
            speedup192 = savings["speedup192"],
            dtype = "f32",
            threads,
            device = "cpu",
            batch,
        });
    }

    /// <summary>Images in the making, without guidance, in the middle of many steps.</summary>
    private static SequenceGenerator Denoising(GenerationBench bench, int batch, int prefix)
    {
        SequenceGenerator generator = bench.CreateGenerator();
        var options = new GenerationOptions { GuidanceScale = 1, NumberOfInferenceSteps = 500 };
        for (int row = 0; row < batch; row++)
            generator.Admit(generator.CreateRow(new RowRequest(GenerationBench.Prompt(prefix - 1, row), RowMode.Image, options, (ulong)row)));
        generator.Step();                                   // reads the prompts, BOI included
        return generator;
    }
}
