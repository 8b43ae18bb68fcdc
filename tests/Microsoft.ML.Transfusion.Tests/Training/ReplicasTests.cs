using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tests.Modeling;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Training;

public sealed class ReplicasTests : IDisposable
{
    private static readonly TrainingOptions Options = new(
        new OptimizerConfig { BatchSize = 7, WarmupSteps = 1 }, NumberOfSteps: 1, MaxTrainingTime: null, Seed: 1, TrainingPrecision.Float32, CPU);

    private static readonly TransfusionConfig Config = TinyNetwork.Config with { Transformer = TinyNetwork.Config.Transformer with { NumberOfLayers = 3 } };
    private readonly int _threads = get_num_threads();
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        set_num_threads(_threads);
        _scope.Dispose();
    }

    /// <summary>Rows of several layouts, images and text alone among them, and the shares unequal: 7 rows on 3 threads.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void A_step_on_replicas_finds_the_losses_and_the_gradient_of_one_network(int threads)
    {
        (StepResult alone, Tensor expected) = Step(Options, threads: 1);
        (StepResult together, Tensor gradient) = Step(Options, threads);

        Assert.Equal(alone.LanguageLoss!.Value, together.LanguageLoss!.Value, 1e-5);
        Assert.Equal(alone.DiffusionLoss!.Value, together.DiffusionLoss!.Value, 1e-5);
        TensorAssert.Close(expected, gradient, 1e-6);
    }

    [Theory]
    [InlineData(TrainingPrecision.Float32)]
    [InlineData(TrainingPrecision.BFloat16)]
    public void The_gradient_on_replicas_is_the_same_bit_for_bit_every_time(TrainingPrecision precision)
    {
        Tensor first = Step(Options with { Precision = precision }, threads: 2).Gradient;
        TensorAssert.Close(first, Step(Options with { Precision = precision }, threads: 2).Gradient, 0);
    }

    [Theory]
    [InlineData(TrainingPrecision.Float32, 0)]
    [InlineData(TrainingPrecision.BFloat16, 0)]
    public void Activation_checkpointing_changes_no_gradient(TrainingPrecision precision, double tolerance)
    {
        Tensor kept = Step(Options with { Precision = precision }, threads: 1).Gradient;
        Tensor recomputed = Step(Options with { Precision = precision, ActivationCheckpointing = true }, threads: 1).Gradient;
        TensorAssert.Close(kept, recomputed, tolerance);
        Assert.True(kept.norm().ToDouble() > 0);
    }

    private static (StepResult Result, Tensor Gradient) Step(TrainingOptions options, int threads)
    {
        set_num_threads(threads);
        Document[] documents = TinyNetwork.Documents(7);
        documents[1] = new Document([documents[1].Parts[0]]);
        documents[4] = new Document([documents[4].Parts[1]]);
        using TransfusionNetwork network = RandomNetwork.Create(Config.Transformer);        // several layers, and a patch head that is not zero
        using var state = new TrainingState(network, options);
        using var step = new TrainingStep(state, Config, options);
        var group = new GroupedBatch([.. documents.Select(document => Arrangement.AsIs(document, Config.Diffusion))], default);
        using TrainingBatch batch = TrainingBatch.Create(group, Config, TinyNetwork.Special, options, step: 0);
        StepResult result = step.Run(batch, learningRate: 0);
        return (result, state.Parameters.Gradient.clone());
    }
}
