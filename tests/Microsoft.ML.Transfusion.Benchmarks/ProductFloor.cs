// The products of a generating pass and nothing else, by libtorch: every linear layer for so many positions, in the faster of its two layouts. What
// generation would take if all the rest were free.
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal sealed class ProductFloor : IDisposable
{
    private const int Trials = 3;
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly List<(Tensor Input, Tensor Weight)> _products = [];

    /// <param name="positions">Positions that go through the blocks.</param>
    /// <param name="heads">Positions and outputs of what follows the last block.</param>
    public ProductFloor(TransformerConfig config, int positions, params ReadOnlySpan<(int Positions, int Outputs)> heads)
    {
        int attention = config.NumberOfHeads * config.HeadSize, joined = attention + 2 * config.KeyValueHeads * config.HeadSize;
        for (int layer = 0; layer < config.NumberOfLayers; layer++)
        {
            Add(positions, config.HiddenSize, joined);
            Add(positions, attention, config.HiddenSize);
            Add(positions, config.HiddenSize, config.FeedForward);
            Add(positions, config.HiddenSize, config.FeedForward);
            Add(positions, config.FeedForward, config.HiddenSize);
        }
        foreach ((int rows, int outputs) in heads)
            Add(rows, config.HiddenSize, outputs);
        IsTransposed = Time(transposed: true) < Time(transposed: false);
    }

    /// <summary>Whether weights are [inputs, outputs], which libtorch reads faster for few rows.</summary>
    public bool IsTransposed { get; }

    public void Run() => Run(IsTransposed);

    public void Dispose() => _scope.Dispose();

    private void Add(int rows, int inputs, int outputs) => _products.Add((randn(rows, inputs), randn(outputs, inputs)));

    private void Run(bool transposed)
    {
        using var inference = inference_mode();
        for (int i = 0; i < _products.Count; i++)
        {
            (Tensor input, Tensor weight) = _products[i];
            using Tensor result = transposed ? input.matmul(Transposed(i)) : nn.functional.linear(input, weight);
        }
    }

    private Tensor Transposed(int product)
    {
        while (_transposed.Count <= product)
            _transposed.Add(_products[_transposed.Count].Weight.t().contiguous());
        return _transposed[product];
    }

    private readonly List<Tensor> _transposed = [];

    private double Time(bool transposed)
    {
        Run(transposed);
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        for (int i = 0; i < Trials; i++)
            Run(transposed);
        return System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
