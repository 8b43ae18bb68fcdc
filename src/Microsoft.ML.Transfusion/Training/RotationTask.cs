// Features without labels: a small network learns by how many quarters pictures were turned (Gidaris et al. 2018), for which it must see what is in them.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

internal sealed class RotationTask : nn.Module
{
    private const int Turns = 4;
    private static readonly int[] Channels = [32, 64, 128];

    private readonly PerceptualNetwork _network;
    private readonly Linear _head;

    private RotationTask(PerceptualNetwork network, Generator generator) : base(nameof(RotationTask))
    {
        _network = network;
        _head = nn.Linear(Channels[^1], Turns);
        RegisterComponents();
        ConvolutionalWeights.Initialize(_head, generator);
    }

    /// <summary>Trains a network of three resolutions on pictures, whose batches [N, 3, H, W] come without end.</summary>
    /// <param name="goesOn">Asked before every step.</param>
    /// <returns>The network, and the share of the last batches' turns that it told.</returns>
    public static (PerceptualNetwork Network, double Accuracy) Train(IEnumerable<Tensor> batches, OptimizerConfig optimizer, Device device, Generator generator, Func<int, bool> goesOn)
    {
        PerceptualNetwork network = PerceptualNetwork.Create(Channels, generator);
        var task = new RotationTask(network, generator);            // disposing of it would dispose of the network
        using Linear head = task._head;
        task.to(device);
        double accuracy = 0;
        using (var parameters = new FlatParameters(task, ScalarType.Float32))
        {
            using var rule = new AdamW(parameters, optimizer);
            int step = 0;
            foreach (Tensor batch in batches)
            {
                if (!goesOn(step++))
                    break;
                using var scope = NewDisposeScope();
                double right = task.Step(batch, generator);
                parameters.GatherGradient();
                GradientClipping.Clip(parameters.Gradient, optimizer.MaxGradientNorm);
                rule.Step(WarmupCosineSchedule.LearningRate(optimizer, step, progress: 0));
                accuracy += (right - accuracy) * 0.05;
            }
            parameters.Release(task, parameters.Master);
        }
        foreach ((_, Parameter weight) in network.named_parameters())
            weight.requires_grad = false;
        return (network, accuracy);
    }

    /// <summary>Backpropagates one batch and returns the share of turns that were told right.</summary>
    private double Step(Tensor batch, Generator generator)
    {
        long count = batch.shape[0];
        Tensor turns = randint(Turns, [count], ScalarType.Int64, generator: generator);
        bool isSquare = batch.shape[2] == batch.shape[3];
        Tensor[] turned = [.. batch.unbind(0).Zip(turns.data<long>(), (picture, turn) => isSquare ? picture.rot90(turn, (1, 2)) : Mirrored(picture, turn))];
        Tensor logits = _head.forward(_network.Features(stack(turned))[^1].mean([2, 3])), targets = turns.to(batch.device);
        nn.functional.cross_entropy(logits, targets).backward();
        return logits.argmax(1).eq(targets).to(ScalarType.Float32).mean().AsDouble();
    }

    /// <summary>Pictures that are not square are mirrored in one of four ways instead of turned.</summary>
    private static Tensor Mirrored(Tensor picture, long turn) => turn == 0 ? picture : picture.flip(turn == 1 ? [1] : turn == 2 ? [2] : [1, 2]);
}
