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
        using var noGradient = no_grad();
        using var matrix = new Trained(golden.Config, "weight_decay_w", golden["w0"]);
        using var vector = new Trained(golden.Config, "weight_decay_b", golden["b0"]);
        for (int step = 0; step < golden["w"].shape[0]; step++)
        {
            Tensor gradient = cat([golden["grad_w"][step].flatten(), golden["grad_b"][step]], 0);
            GradientClipping.Clip(gradient, golden.Config.GetProperty("clip").GetDouble());
            double learningRate = golden["lr"][step].ToDouble();
            Tensor[] clipped = gradient.split([golden["w0"].numel(), golden["b0"].numel()]);

            golden.Check("clipped gradient", golden["clipped_grad_w"][step], clipped[0].view(golden["w0"].shape), Tolerance, $"step {step}");
            golden.Check("matrix", golden["w"][step], matrix.Step(clipped[0], learningRate), Tolerance, $"step {step}");
            golden.Check("vector", golden["b"][step], vector.Step(clipped[1], learningRate), Tolerance, $"step {step}");
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

    /// <summary>A tensor among the decayed weights of a network, with the optimizer to itself.</summary>
    private sealed class Trained : IDisposable
    {
        private readonly TransfusionNetwork _network = RandomNetwork.Create(TinyNetwork.Config.Transformer with { HiddenSize = 64 });
        private readonly FlatParameters _flat;
        private readonly Microsoft.ML.Transfusion.Training.AdamW _adam;
        private readonly long[] _shape;

        public Trained(JsonElement settings, string decay, Tensor start)
        {
            _shape = start.shape;
            _flat = new FlatParameters(_network, ScalarType.Float32);
            _flat.Master.zero_();
            Of(_flat.Master).copy_(start);
            _adam = new Microsoft.ML.Transfusion.Training.AdamW(_flat, new OptimizerConfig
            {
                Beta1 = settings.GetProperty("betas")[0].GetDouble(),
                Beta2 = settings.GetProperty("betas")[1].GetDouble(),
                Epsilon = settings.GetProperty("eps").GetDouble(),
                WeightDecay = settings.GetProperty(decay).GetDouble(),
            });
        }

        public Tensor Step(Tensor gradient, double learningRate)
        {
            _flat.Gradient.zero_();
            Of(_flat.Gradient).copy_(gradient.view(_shape));
            _adam.Step(learningRate);
            return Of(_flat.Master);
        }

        public void Dispose()
        {
            _adam.Dispose();
            _flat.Dispose();
            _network.Dispose();
        }

        private Tensor Of(Tensor flat) => flat.narrow(0, 0, _shape.Aggregate(1L, (product, size) => product * size)).view(_shape);
    }
}
