// Training the image parts beside a text path that keeps its weights.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tests.Modeling;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Training;

public sealed class FreezingTests : IDisposable
{
    private static readonly Document[] Pairs = TinyNetwork.Documents(12);
    private static readonly TrainingOptions Options = new(
        new OptimizerConfig { BatchSize = 4, WarmupSteps = 2, EmaDecay = 0.5, LearningRate = 1e-2, WeightDecay = 0.1 },
        NumberOfSteps: 20, MaxTrainingTime: null, Seed: 1, TrainingPrecision.Float32, CPU)
    { FreezesText = true };

    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void IsFrozen_takes_the_text_path_and_only_when_it_is_to_be_frozen()
    {
        using TransfusionNetwork network = TinyNetwork.Create();
        string[] names = [.. network.named_parameters().Select(p => p.name)];

        string[] trained = [.. names.Where(name => !Options.IsFrozen(name))];
        Assert.NotEmpty(trained);
        Assert.All(trained, name => Assert.Matches(@"^(embed_patches|patch_head)\.", name));
        Assert.All(names.Except(trained), name => Assert.Matches(@"^(embed_tokens|layers|norm|lm_head)\.", name));
        Assert.DoesNotContain(names, (Options with { FreezesText = false }).IsFrozen);
    }

    [Theory]
    [InlineData(OptimizerType.AdamW, TrainingPrecision.Float32, 0.5)]
    [InlineData(OptimizerType.AdamW, TrainingPrecision.BFloat16, 0.5)]
    [InlineData(OptimizerType.AdamW, TrainingPrecision.BFloat16, 0)]
    [InlineData(OptimizerType.Muon, TrainingPrecision.Float32, 0.5)]
    [InlineData(OptimizerType.Muon, TrainingPrecision.BFloat16, 0)]
    public void Run_keeps_the_text_path_bit_for_bit_and_trains_the_image_parts(OptimizerType type, TrainingPrecision precision, double emaDecay)
    {
        using TransfusionNetwork network = RandomNetwork.Create(TinyNetwork.Config.Transformer);
        Dictionary<string, Tensor> before = network.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.detach().clone());
        var losses = new Losses();
        new TrainingLoop(network, TinyNetwork.Config, TinyNetwork.Special, Options with
        {
            Optimizer = Options.Optimizer with { Type = type, EmaDecay = emaDecay },
            Precision = precision,
            ValidationInterval = 1,
            Progress = losses,
        }).Run(Pairs, Pairs);

        foreach ((string name, Parameter parameter) in network.named_parameters())
        {
            if (Options.IsFrozen(name))
                Assert.True(before[name].equal(parameter).all().ToBoolean(), name);
            else
                TensorAssert.Differ(before[name], parameter, 1e-3, name);
            Assert.Equal((ScalarType.Float32, true, true), (parameter.dtype, parameter.requires_grad, parameter.grad is null));
        }
        Assert.True(losses.Diffusion[^1] < 0.8 * losses.Diffusion[0], $"{losses.Diffusion[0]} → {losses.Diffusion[^1]}");
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void The_buffers_and_so_the_norm_hold_trained_weights_only_with_the_gradients_they_would_have_anyway(ScalarType dtype)
    {
        using TransfusionNetwork network = RandomNetwork.Create(TinyNetwork.Config.Transformer), whole = RandomNetwork.Create(TinyNetwork.Config.Transformer);
        using var some = new FlatParameters(network, dtype, Options.IsFrozen);
        using var all = new FlatParameters(whole, dtype);
        foreach ((TransfusionNetwork each, FlatParameters flat) in ((TransfusionNetwork, FlatParameters)[])[(network, some), (whole, all)])
        {
            Loss(each).backward();
            flat.GatherGradient();
        }

        Assert.Equal(0, some.BlockMatrixCount);
        Assert.Equal(network.named_parameters().Where(p => !Options.IsFrozen(p.name)).Sum(p => p.parameter.numel()), some.Gradient.numel());
        foreach (FlatEntry entry in some.Layout)
            TensorAssert.Close(all.Layout.Single(other => other.Name == entry.Name).View(all.Gradient), entry.View(some.Gradient), 1e-6, entry.Name);
        Assert.All(network.named_parameters().Where(p => Options.IsFrozen(p.name)), p => Assert.Equal((false, true, dtype), (p.parameter.requires_grad, p.parameter.grad is null, p.parameter.dtype)));
    }

    [Theory]
    [InlineData(TrainingPrecision.Float32)]
    [InlineData(TrainingPrecision.BFloat16)]
    public void Run_passes_over_batches_of_text_alone_and_leaves_no_tensor_behind(TrainingPrecision precision)
    {
        Document[] mixed = [.. Pairs, .. Pairs.Select(pair => new Document([pair.Parts[0]]))], text = mixed[Pairs.Length..];
        using TransfusionNetwork network = TinyNetwork.Create();
        void Run(Document[] documents) => new TrainingLoop(network, TinyNetwork.Config, TinyNetwork.Special, Options with { Precision = precision }).Run(documents, []);
        Run(mixed);
        Tensor trained = Weights(network);

        Run(text);

        TensorAssert.Close(trained, Weights(network), 0);
        LeakCheck.Holds(() => Run(mixed), times: 1);
    }

    /// <summary>A loss that every part of the network takes part in.</summary>
    private static Tensor Loss(TransfusionNetwork network)
    {
        using var generator = new Generator(2, CPU);
        Tensor patches = network.EmbedPatches(randn([2, RandomNetwork.PatchCount, RandomNetwork.PatchVectorSize], generator: generator), tensor(new[] { 3L, 500 }));
        Tensor words = network.EmbedTokens(tensor(new[] { 1L, 2 })).unsqueeze(1);
        Tensor hidden = network.Forward(cat([words, patches], 1), mask: null);
        return network.PredictPatches(hidden).square().mean() + network.Logits(hidden.flatten(0, 1)).square().mean();
    }

    private static Tensor Weights(TransfusionNetwork network) => cat([.. network.parameters().Select(parameter => parameter.detach().flatten())], 0);

    private sealed class Losses : IProgress<TrainingProgress>
    {
        public List<double> Diffusion { get; } = [];

        public void Report(TrainingProgress value) => Diffusion.Add(value.ValidationDiffusionLoss!.Value);
    }
}
