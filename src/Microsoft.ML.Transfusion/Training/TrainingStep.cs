// One optimizer step: loss → backward → clip → update. A step whose loss or gradient is not finite moves nothing.
using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

/// <param name="LanguageLoss">Mean over tokens; null where the batch has none.</param>
/// <param name="DiffusionLoss">Mean over images; null where the batch has none.</param>
/// <param name="GradientNorm">Before clipping; 0 where the batch has nothing to learn from.</param>
internal readonly record struct StepResult(double? LanguageLoss, double? DiffusionLoss, double GradientNorm)
{
    public bool IsFinite => double.IsFinite(GradientNorm) && double.IsFinite(LanguageLoss ?? 0) && double.IsFinite(DiffusionLoss ?? 0);
}

internal sealed class TrainingStep(TrainingState state, TransfusionConfig config, TrainingOptions options) : IDisposable
{
    private readonly DiffusionProcess _diffusion = DiffusionProcess.Create(config.Diffusion, options.Device);
    private readonly Replicas _replicas = new(state.Network, state.Parameters);

    public DiffusionProcess Diffusion => _diffusion;

    public StepResult Run(TrainingBatch batch, double learningRate)
    {
        using var scope = NewDisposeScope();
        FlatParameters parameters = state.Parameters;
        parameters.ForgetGradient();
        LossSums loss = _replicas.Shares(batch.Sequences.Rows) == 1
            ? Backward(state.Network, batch, batch)
            : _replicas.Run(batch, (network, share) => Backward(network, share, batch)).Aggregate((sum, share) => sum + share);
        double norm = 0;
        if (loss.HasGradient)                               // else: a batch of text alone, and the text path is frozen
        {
            norm = Gather(parameters);
            parameters.ForgetGradient();
        }
        long tokens = batch.Sequences.Targets.shape[0], images = batch.Sequences.NoisedImages;
        var result = new StepResult(tokens > 0 ? loss.Language / tokens : null, images > 0 ? loss.Diffusion / images : null, norm);
        if (loss.HasGradient && result.IsFinite)
            Update(learningRate);
        return result;
    }

    /// <summary>The whole batch's gradient, clipped; returns the norm it had.</summary>
    public double Gather(FlatParameters parameters)
    {
        double[] squares = new double[_replicas.ShareCount];
        _replicas.ForEach(share => squares[share.Number] = parameters.GatherGradient(share));
        double norm = Math.Sqrt(squares.Sum()), most = options.Optimizer.MaxGradientNorm;
        if (norm > most)
            _replicas.ForEach(share => parameters.ScaleGradient(share, GradientClipping.Factor(norm, most)));
        return norm;
    }

    /// <summary>Moves the weights along the gathered gradient.</summary>
    public void Update(double learningRate) => state.Update(learningRate, _replicas);

    /// <summary>Adds a share's part of the whole batch's gradient to the network's.</summary>
    private LossSums Backward(TransfusionNetwork network, TrainingBatch share, TrainingBatch whole)
    {
        LossParts loss = TransfusionLoss.Compute(network, _diffusion, share.Sequences, config.Grid, share.Draw, options.Optimizer.ZLossWeight > 0), weighted = loss.Weighted(share.Sequences);
        Tensor total = weighted.Total(config.Diffusion.DiffusionLossWeight, options.Optimizer.ZLossWeight, whole.Sequences.Targets.shape[0], whole.Sequences.NoisedImages);
        if (total.requires_grad)
            total.backward();
        return new LossSums(loss.LanguageLoss?.sum().AsDouble() ?? 0, weighted.DiffusionLoss?.sum().AsDouble() ?? 0, total.requires_grad);
    }

    public void Dispose()
    {
        _replicas.Dispose();
        _diffusion.Dispose();
    }

    private readonly record struct LossSums(double Language, double Diffusion, bool HasGradient)
    {
        public static LossSums operator +(LossSums a, LossSums b) => new(a.Language + b.Language, a.Diffusion + b.Diffusion, a.HasGradient || b.HasGradient);
    }
}
