// train-step: one optimizer step against its floor, the time of its matrix products alone.
using System.CommandLine;
using System.Text.Json;
using Microsoft.ML.Transfusion.Torch;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal static class TrainStepCommand
{
    private const double LearningRate = 1e-4;

    private static readonly Option<string> Dtype = new("--dtype") { Description = "f32, or bf16 with 32-bit master weights.", DefaultValueFactory = _ => "bf16" };
    private static readonly Option<string> OptimizerName = new("--optimizer") { Description = "adamw or muon.", DefaultValueFactory = _ => "adamw" };
    private static readonly Option<int> Threads = Number("--threads", "Threads of libtorch; one is timed by processor time, more by the wall clock.", Environment.ProcessorCount);
    private static readonly Option<int> Dim = Number("--dim", "Width of the residual stream.", 256);
    private static readonly Option<int> Layers = Number("--layers", "Transformer blocks.", 6);
    private static readonly Option<int> Heads = Number("--heads", "Attention heads.", 8);
    private static readonly Option<int> Seq = Number("--seq", "Positions in a row, half of them text and half patches.", 128);
    private static readonly Option<int> Batch = Number("--batch", "Rows in a step.", 16);
    private static readonly Option<int> Rounds = Number("--rounds", "Measurements of which the median is taken.", 15);
    private static readonly Option<string?> DeviceName = new("--device") { Description = "cpu or cuda; cuda where there is one if not given." };
    private static readonly Option<double?> Peak = new("--peak-tflops") { Description = "What the device can do in this format, for model FLOP utilization; known for some NVIDIA cards." };

    public static System.CommandLine.Command Create()
    {
        Dtype.AcceptOnlyFromAmong("f32", "bf16");
        OptimizerName.AcceptOnlyFromAmong("adamw", "muon");
        DeviceName.AcceptOnlyFromAmong("cpu", "cuda");
        var command = new System.CommandLine.Command("train-step", "Measures one training step against the time of its matrix products alone.")
        {
            Dtype, OptimizerName, Threads, Dim, Layers, Heads, Seq, Batch, Rounds, DeviceName, Peak,
        };
        command.SetAction(parsed =>
        {
            var shape = new StepShape(parsed.GetValue(Dim), parsed.GetValue(Layers), parsed.GetValue(Heads), parsed.GetValue(Seq), parsed.GetValue(Batch));
            if (shape.Problem is null)
                Run(parsed, shape);
            else
                Console.Error.WriteLine(shape.Problem);
            return shape.Problem is null ? 0 : 1;
        });
        return command;
    }

    private static void Run(ParseResult parsed, StepShape shape)
    {
        NativeTorch.Require();
        string dtype = parsed.GetValue(Dtype)!;
        Device device = torch.device(parsed.GetValue(DeviceName) ?? (cuda.is_available() ? "cuda" : "cpu"));
        int threads = parsed.GetValue(Threads), rounds = parsed.GetValue(Rounds);
        set_num_threads(threads);
        var options = new TrainingOptions(new OptimizerConfig { BatchSize = shape.Rows, Type = parsed.GetValue(OptimizerName) == "muon" ? OptimizerType.Muon : OptimizerType.AdamW }, NumberOfSteps: null, MaxTrainingTime: null, Seed: 1,
            dtype == "f32" ? TrainingPrecision.Float32 : TrainingPrecision.BFloat16, device);
        var clock = new StepClock(threads, device.type == DeviceType.CUDA);

        using var network = shape.CreateNetwork(device);
        using var state = new TrainingState(network, options);
        using var step = new TrainingStep(state, shape.Config, options);
        GroupedBatch rows = shape.CreateRows(seed: 1);
        using TrainingBatch batch = shape.CreateBatch(rows, options, step: 0);
        using var floor = new StepFloor(shape, batch, state.Parameters.ComputeDtype, device);
        using var parts = new StepParts(shape, batch, state, step, device);

        Console.WriteLine($"{shape.HiddenSize} wide, {shape.Layers} layers, {shape.Heads} heads, {shape.Rows} rows of {shape.Length} positions, "
            + $"{state.Parameters.Master.shape[0] / 1e6:F1} M weights; {dtype}, {device.type}, {threads} threads; {clock.Name}, median of {rounds}.");
        void Step()
        {
            if (!step.Run(batch, LearningRate).IsFinite)
                throw new InvalidOperationException("The measured step was not finite.");
        }
        for (int i = 0; i < 3; i++)
            Step();
        double[] times = clock.Medians(rounds, Step, floor.Run, floor.RunLinear, floor.RunAttention);
        (double stepTime, double floorTime) = (times[0], times[1]);
        StepTable.Print(clock, rounds, times, parts, () => shape.CreateBatch(rows, options, step: 1).Dispose());
        double operationsPerSecond = floor.Operations / (stepTime / 1e3);
        Console.WriteLine($"{operationsPerSecond / 1e9:F0} GFLOP/s of {floor.Operations / (floorTime / 1e3) / 1e9:F0} that the products alone reach. Attention: {parts.AttentionKernel()}.");
        if ((parsed.GetValue(Peak) ?? KnownPeak.TeraFlops(device, state.Parameters.ComputeDtype)) is { } peak)
            Console.WriteLine($"Model FLOP utilization: {operationsPerSecond / (peak * 1e12):P1} of {peak} TFLOP/s.");
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            stepMs = Math.Round(stepTime, 3),
            floorMs = Math.Round(floorTime, 3),
            ratio = Math.Round(stepTime / floorTime, 4),
            tokensPerSecond = Math.Round(batch.Sequences.Positions / (stepTime / 1e3), 1),
            dtype,
            threads,
            device = device.type.ToString().ToLowerInvariant(),
        }));
    }

    public static Option<int> Number(string name, string description, int value)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => value };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() <= 0)
                result.AddError($"{name} must be greater than 0.");
        });
        return option;
    }
}
