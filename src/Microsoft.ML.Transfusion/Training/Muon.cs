// Muon (Jordan et al. 2024): momentum for the blocks' weight matrices, each update replaced by the nearest orthogonal matrix, so that every
// direction of a matrix learns at one speed. Scaled to AdamW's usual update size (Liu et al. 2025), so both share a learning rate.
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

internal sealed class Muon : IDisposable
{
    private const double Momentum = 0.95;
    private const double UpdateSize = 0.2;                  // root mean square of an AdamW update
    private const int Iterations = 5;
    private readonly IReadOnlyList<MatrixStack> _stacks;
    private readonly double _weightDecay;
    private readonly ScalarType _dtype;

    public Muon(FlatParameters parameters, OptimizerConfig config)
    {
        (_weightDecay, _dtype) = (config.WeightDecay, parameters.ComputeDtype);
        using var scope = NewDisposeScope();
        _stacks =
        [
            .. parameters.MatrixStacks.Select(stack => new MatrixStack(
                stack.View(parameters.Master).DetachFromDisposeScope(), stack.View(parameters.Gradient).DetachFromDisposeScope())),
        ];
    }

    public void Step(double learningRate) => Step(learningRate, WorkShare.Whole);

    /// <param name="share">Which of the matrices of each shape.</param>
    public void Step(double learningRate, WorkShare share)
    {
        using var noGradient = no_grad();
        foreach (MatrixStack stack in _stacks)
        {
            using var scope = NewDisposeScope();
            (long begin, long length) = share.Of(stack.Weights.shape[0]);
            if (length == 0)
                continue;
            Tensor Own(Tensor matrices) => matrices.narrow(0, begin, length);
            Tensor gradient = Own(stack.Gradient), momentum = Own(stack.Momentum);
            momentum.MultiplyInPlace(Momentum).AddInPlace(gradient);
            Tensor update = Orthogonalize(gradient.Plus(momentum, factor: Momentum), _dtype);     // Nesterov's look-ahead
            double scale = UpdateSize * Math.Sqrt(Math.Max(update.shape[1], update.shape[2]));
            Own(stack.Weights).MultiplyInPlace(1 - learningRate * _weightDecay).AddInPlace(update, factor: -learningRate * scale);
        }
    }

    public IEnumerable<(string Name, Tensor Value)> Tensors(string prefix) =>
        _stacks.Select((stack, at) => ($"{prefix}.{at}.momentum", stack.Momentum));

    public void Dispose()
    {
        foreach (MatrixStack stack in _stacks)
            stack.Dispose();
    }

    /// <summary>U·Vᵀ of each matrix's singular value decomposition, nearly, by a quintic Newton–Schulz iteration: [n, r, c] → [n, r, c], 32-bit.</summary>
    /// <param name="dtype">What the iteration computes in; it bears bfloat16.</param>
    internal static Tensor Orthogonalize(Tensor matrices, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        bool tall = matrices.shape[1] > matrices.shape[2];
        Tensor x = (matrices * matrices.Squared().sum([1, 2], keepdim: true).Plus(1e-14).rsqrt()).to(dtype);
        if (tall)
            x = x.transpose(1, 2);
        for (int i = 0; i < Iterations; i++)
        {
            using var step = NewDisposeScope();
            // x ← (3.4445·I + a·(2.0315·a − 4.775·I))·x with a = x·xᵀ: the coefficients rise fastest from small singular values.
            Tensor a = bmm(x, x.transpose(1, 2));
            Tensor polynomial = bmm(a, AddToDiagonal(a.Times(2.0315), -4.7750));
            x = bmm(AddToDiagonal(polynomial, 3.4445), x).MoveToOuterDisposeScope();
        }
        return (tall ? x.transpose(1, 2) : x).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    private static Tensor AddToDiagonal(Tensor matrices, double value)
    {
        matrices.diagonal(0, 1, 2).AddInPlace(value);
        return matrices;
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
