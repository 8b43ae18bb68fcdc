// precision: the same training in 32-bit and in bfloat16, and how far their losses are apart.
using System.CommandLine;
using System.Text.Json;
using Microsoft.ML.Transfusion.Torch;
using Microsoft.ML.Transfusion.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal static class PrecisionCommand
{
    private const int DistinctBatches = 8;
    private static readonly Option<int> Steps = TrainStepCommand.Number("--steps", "Training steps.", 200);

    public static System.CommandLine.Command Create()
    {
        var command = new System.CommandLine.Command("precision", "Trains the train-step benchmark's default shape in both number formats and compares the losses.") { Steps };
        command.SetAction(parsed => Run(parsed.GetValue(Steps)));
        return command;
    }

    private static void Run(int steps)
    {
        NativeTorch.Require();
        var shape = new StepShape(256, 6, 8, 128, 16);
        List<StepResult> wide = Train(shape, TrainingPrecision.Float32, steps), narrow = Train(shape, TrainingPrecision.BFloat16, steps);
        double Mean(IEnumerable<StepResult> results, Func<StepResult, double?> loss) => results.TakeLast(Math.Max(1, steps / 10)).Average(result => loss(result)!.Value);
        (double Wide, double Narrow) language = (Mean(wide, x => x.LanguageLoss), Mean(narrow, x => x.LanguageLoss));
        (double Wide, double Narrow) diffusion = (Mean(wide, x => x.DiffusionLoss), Mean(narrow, x => x.DiffusionLoss));
        Console.WriteLine($"Mean of the last tenth of {steps} steps: language {language.Wide:F4} in 32-bit, {language.Narrow:F4} in bfloat16; diffusion {diffusion.Wide:F4}, {diffusion.Narrow:F4}.");
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            steps,
            languageDifference = Math.Round(language.Narrow - language.Wide, 5),
            diffusionDifference = Math.Round(diffusion.Narrow - diffusion.Wide, 5),
            largestLanguageDifference = Math.Round(wide.Zip(narrow, (a, b) => Math.Abs(a.LanguageLoss!.Value - b.LanguageLoss!.Value)).Max(), 5),
            largestDiffusionDifference = Math.Round(wide.Zip(narrow, (a, b) => Math.Abs(a.DiffusionLoss!.Value - b.DiffusionLoss!.Value)).Max(), 5),
        }));
    }

    private static List<StepResult> Train(StepShape shape, TrainingPrecision precision, int steps)
    {
        var options = new TrainingOptions(new OptimizerConfig { BatchSize = shape.Rows }, steps, MaxTrainingTime: null, Seed: 1, precision, CPU);
        using var network = shape.CreateNetwork(CPU);
        using var state = new TrainingState(network, options);
        using var step = new TrainingStep(state, shape.Config, options);
        GroupedBatch[] rows = [.. Enumerable.Range(1, DistinctBatches).Select(shape.CreateRows)];
        List<StepResult> results = [];
        for (int i = 0; i < steps; i++)
        {
            using TrainingBatch batch = shape.CreateBatch(rows[i % DistinctBatches], options, i);
            results.Add(step.Run(batch, WarmupCosineSchedule.LearningRate(options.Optimizer with { LearningRate = 3e-4 }, i + 1, (double)i / steps)));
        }
        return results;
    }
}
