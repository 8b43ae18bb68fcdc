// The products of one training step and nothing else: what the step would take if all the rest were free. Every layer has weights of its own, as in
// the network; results are new tensors, as autograd's are.
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal sealed class StepFloor : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly List<LinearProducts> _linear = [];
    private readonly AttentionProducts _attention;

    public StepFloor(StepShape shape, TrainingBatch batch, ScalarType dtype, Device device)
    {
        TransformerConfig config = shape.Config.Transformer;
        long positions = batch.Sequences.Positions, patches = batch.Sequences.ImagePositions.shape[0], targets = batch.Sequences.Targets.shape[0], images = batch.Sequences.Images!.shape[0];
        int heads = (config.NumberOfHeads + 2 * config.KeyValueHeads) * config.HeadSize;
        void Add(long rows, int inputs, int outputs, bool inputGradient = true) => _linear.Add(new(rows, inputs, outputs, inputGradient, dtype, device));

        Add(images, 256, config.HiddenSize, inputGradient: false);                                          // the timestep's two layers
        Add(images, config.HiddenSize, StepShape.PatchVectorSize);
        Add(patches, StepShape.PatchVectorSize, config.HiddenSize);
        for (int layer = 0; layer < config.NumberOfLayers; layer++)
        {
            Add(positions, config.HiddenSize, heads);
            Add(positions, config.NumberOfHeads * config.HeadSize, config.HiddenSize);
            Add(positions, config.HiddenSize, config.FeedForward);
            Add(positions, config.HiddenSize, config.FeedForward);
            Add(positions, config.FeedForward, config.HiddenSize);
        }
        Add(targets, config.HiddenSize, shape.VocabularySize);
        Add(patches, config.HiddenSize, StepShape.PatchVectorSize);
        _attention = new AttentionProducts(shape.Rows * config.NumberOfHeads, shape.Length, config.HeadSize, config.NumberOfLayers, dtype, device);
    }

    /// <summary>Multiplications and additions of all products.</summary>
    public double Operations => _linear.Sum(layer => layer.Operations) + _attention.Operations;

    public void Run()
    {
        RunLinear();
        RunAttention();
    }

    public void RunLinear()
    {
        foreach (LinearProducts layer in _linear)
            layer.Run();
    }

    public void RunAttention() => _attention.Run();

    public void Dispose() => _scope.Dispose();

    /// <summary>y = x·Wᵀ, dx = dy·W, dW = dyᵀ·x of one layer.</summary>
    private sealed class LinearProducts(long rows, int inputs, int outputs, bool inputGradient, ScalarType dtype, Device device)
    {
        private readonly Tensor _input = randn([rows, inputs], dtype, device);
        private readonly Tensor _weight = randn([outputs, inputs], dtype, device);
        private readonly Tensor _gradient = randn([rows, outputs], dtype, device);

        public double Operations => 2.0 * rows * inputs * outputs * (inputGradient ? 3 : 2);

        public void Run()
        {
            using var noGradient = no_grad();
            nn.functional.linear(_input, _weight).Dispose();
            if (inputGradient)
                _gradient.mm(_weight).Dispose();
            _gradient.t().mm(_input).Dispose();
        }
    }

    /// <summary>Scores, values, and the two gradients of each, for every layer.</summary>
    private sealed class AttentionProducts(long heads, int length, int headSize, int layers, ScalarType dtype, Device device)
    {
        private readonly Tensor _heads = randn([heads, length, headSize], dtype, device);                   // stands for q, k, v and their gradients
        private readonly Tensor _keys = randn([heads, length, headSize], dtype, device);
        private readonly Tensor _scores = randn([heads, length, length], dtype, device);                    // stands for scores, weights and their gradients

        public double Operations => 2.0 * heads * length * length * headSize * 6 * layers;

        public void Run()
        {
            using var noGradient = no_grad();
            for (int layer = 0; layer < layers; layer++)
            {
                using var scope = NewDisposeScope();
                Tensor keysTransposed = _keys.transpose(1, 2), scoresTransposed = _scores.transpose(1, 2);
                _heads.bmm(keysTransposed);                                                                 // scores = q·kᵀ
                _scores.bmm(_keys);                                                                         // output = weights·v
                _heads.bmm(keysTransposed);                                                                 // d weights = d output·vᵀ
                scoresTransposed.bmm(_heads);                                                               // dv = weightsᵀ·d output
                _scores.bmm(_keys);                                                                         // dq = d scores·k
                scoresTransposed.bmm(_heads);                                                               // dk = d scoresᵀ·q
            }
        }
    }
}
