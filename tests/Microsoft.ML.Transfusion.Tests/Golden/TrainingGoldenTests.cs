// The optimizer's step, its clipping and its learning rate against torch.optim and transformers.
using System.Text.Json;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Tests.Modeling;
using Microsoft.ML.Transfusion.Tests.Training;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public sealed class TrainingGoldenTests : IDisposable
{
    private const double Tolerance = 1e-6;

    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [SkippableFact]
    public void Clipping_and_AdamW_follow_the_recorded_run()
    {
        GoldenFile golden = GoldenFile.Open("adamw_traj");
        JsonElement settings = golden.Config;
        double Setting(string name) => settings.GetProperty(name).GetDouble();
        Assert.Equal(0, Setting("weight_decay_b"));                  // neither do we decay vectors
        var config = new OptimizerConfig
        {
            Beta1 = settings.GetProperty("betas")[0].GetDouble(),
            Beta2 = settings.GetProperty("betas")[1].GetDouble(),
            Epsilon = Setting("eps"),
            WeightDecay = Setting("weight_decay_w"),
        };
        long[] matrix = golden["w0"].shape;
        long vector = golden["b0"].shape[0], matrixCount = golden["w0"].numel();

        using var noGradient = no_grad();
        using TransfusionNetwork network = RandomNetwork.Create(TinyNetwork.Config.Transformer with { HiddenSize = 64 });
        using var flat = new FlatParameters(network, ScalarType.Float32);
        using var adam = new Microsoft.ML.Transfusion.Training.AdamW(flat, config);
        Tensor Matrix(Tensor buffer) => buffer.narrow(0, 0, matrixCount).view(matrix);
        Tensor Vector(Tensor buffer) => buffer.narrow(0, flat.DecayedCount, vector);
        flat.Master.zero_();
        Matrix(flat.Master).copy_(golden["w0"]);
        Vector(flat.Master).copy_(golden["b0"]);
        for (int step = 0; step < golden["w"].shape[0]; step++)
        {
            flat.Gradient.zero_();
            Matrix(flat.Gradient).copy_(golden["grad_w"][step]);
            Vector(flat.Gradient).copy_(golden["grad_b"][step]);

            GradientClipping.Clip(flat.Gradient, Setting("clip"));
            adam.Step(golden["lr"][step].ToDouble());

            golden.Check("clipped gradient", golden["clipped_grad_w"][step], Matrix(flat.Gradient), Tolerance, $"step {step}");
            golden.Check("matrix", golden["w"][step], Matrix(flat.Master), Tolerance, $"step {step}");
            golden.Check("vector", golden["b"][step], Vector(flat.Master), Tolerance, $"step {step}");
        }
    }

    [SkippableFact]
    public void Learning_rates_are_those_of_the_recorded_run()
    {
        GoldenFile golden = GoldenFile.Open("adamw_traj");
        (int warmup, int total) = (golden.Config.GetProperty("warmup").GetInt32(), golden.Config.GetProperty("total").GetInt32());
        CheckLearningRates(golden, golden.Config.GetProperty("lr").GetDouble(), warmup, total, [.. Enumerable.Range(0, (int)golden["lr"].shape[0])]);
    }

    [SkippableFact]
    public void Learning_rates_are_those_of_the_paper_s_run()
    {
        GoldenFile golden = GoldenFile.Open("lr_schedule");
        (int warmup, int total) = (golden.Config.GetProperty("warmup").GetInt32(), golden.Config.GetProperty("total").GetInt32());
        CheckLearningRates(golden, golden.Config.GetProperty("peak").GetDouble(), warmup, total, [.. golden["step"].data<long>().Select(step => (int)step)]);
    }

    private static void CheckLearningRates(GoldenFile golden, double peak, int warmup, int total, int[] steps)
    {
        var config = new OptimizerConfig { LearningRate = peak, WarmupSteps = warmup, FinalLearningRateRatio = 0 };
        for (int i = 0; i < steps.Length; i++)
        {
            double progress = (steps[i] - warmup) / Math.Max(1.0, total - warmup);
            golden.Check("learning rate", golden["lr"][i].ToDouble(), WarmupCosineSchedule.LearningRate(config, steps[i], progress), 1e-15);
        }
    }
}
