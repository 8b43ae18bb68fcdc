// Muon (Jordan et al. 2024): momentum for the blocks' weight matrices, each update replaced by the nearest orthogonal matrix, so that every
// direction of a matrix learns at one speed. Scaled to AdamW's usual update size (Liu et al. 2025), so both share a learning rate.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

internal sealed class Muon : IDisposable
{
    private const double Momentum = 0.95;
    private const double UpdateSize = 0.2;                  // root mean square of an AdamW update
    private const int Iterations = 5;
    private readonly IReadOnlyList<MatrixStack> _stacks;
    private readonly double _weightDecay;

    public Muon(FlatParameters parameters, OptimizerConfig config)
    {
        _weightDecay = config.WeightDecay;
        using var scope = NewDisposeScope();
        _stacks =
        [
            .. parameters.MatrixStacks.Select(stack => new MatrixStack(
                stack.View(parameters.Master).DetachFromDisposeScope(), stack.View(parameters.Gradient).DetachFromDisposeScope())),
        ];
    }

    public void Step(double learningRate)
    {
        using var noGradient = no_grad();
        foreach (MatrixStack stack in _stacks)
        {
            using var scope = NewDisposeScope();
            stack.Momentum.mul_(Momentum).add_(stack.Gradient);
            Tensor update = Orthogonalize(stack.Gradient.add(stack.Momentum, alpha: Momentum));         // Nesterov's look-ahead
            double scale = UpdateSize * Math.Sqrt(Math.Max(update.shape[1], update.shape[2]));
            stack.Weights.mul_(1 - learningRate * _weightDecay).add_(update, alpha: -learningRate * scale);
        }
    }

    public void Dispose()
    {
        foreach (MatrixStack stack in _stacks)
            stack.Dispose();
    }

    /// <summary>U·Vᵀ of each matrix's singular value decomposition, nearly, by a quintic Newton–Schulz iteration: [n, r, c] → [n, r, c].</summary>
    internal static Tensor Orthogonalize(Tensor matrices)
    {
        using var scope = NewDisposeScope();
        bool tall = matrices.shape[1] > matrices.shape[2];
        Tensor x = (tall ? matrices.transpose(1, 2) : matrices).to(ScalarType.BFloat16);
        x = x * (x.to(ScalarType.Float32).square().sum([1, 2], keepdim: true) + 1e-14).rsqrt().to(ScalarType.BFloat16);
        for (int i = 0; i < Iterations; i++)
        {
            using var step = NewDisposeScope();
            Tensor a = bmm(x, x.transpose(1, 2));
            Tensor b = a.baddbmm(a, a, beta: -4.7750f, alpha: 2.0315f);     // −4.775·a + 2.0315·a²: coefficients that rise fastest
            x = x.baddbmm(b, x, beta: 3.4445f).MoveToOuterDisposeScope();   // from small singular values (Jordan et al. 2024)
        }
        return (tall ? x.transpose(1, 2) : x).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>Matrices of one shape, [n, r, c], as views of the flat buffers, and their momentum.</summary>
    private sealed record MatrixStack(Tensor Weights, Tensor Gradient) : IDisposable
    {
        public Tensor Momentum { get; } = zeros_like(Weights).DetachFromDisposeScope();

        public void Dispose()
        {
            Weights.Dispose();
            Gradient.Dispose();
            Momentum.Dispose();
        }
    }
}
