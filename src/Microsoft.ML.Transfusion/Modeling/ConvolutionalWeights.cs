// Where U-Nets and autoencoders begin. TorchSharp leaves the weights of a new GroupNorm as the memory was, and draws the others from no generator.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal static class ConvolutionalWeights
{
    /// <summary>Fills all weights as PyTorch does: ± 1/√(inputs of an output) uniformly, biases too; ones and zeros in norms.</summary>
    public static void Initialize(nn.Module network, Generator generator)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Dictionary<string, Parameter> parameters = network.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter);
        foreach ((string name, Parameter parameter) in parameters)
        {
            Parameter weight = parameters.GetValueOrDefault(name.Replace(".bias", ".weight", StringComparison.Ordinal), parameter);
            if (weight.dim() == 1)                          // a norm's
                parameter.FillInPlace(name.EndsWith("weight", StringComparison.Ordinal) ? 1 : 0);
            else
            {
                double bound = 1 / Math.Sqrt(weight.shape.Skip(1).Aggregate(1L, (product, size) => product * size));
                parameter.uniform_(-bound, bound, generator);
            }
        }
    }
}
