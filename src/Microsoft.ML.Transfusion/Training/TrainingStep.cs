// One optimizer step: loss → backward → clip → update. A step whose loss or gradient is not finite moves nothing.
using Microsoft.ML.Transfusion.Diffusion;
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

    public DiffusionProcess Diffusion => _diffusion;

    public StepResult Run(TrainingBatch batch, double learningRate)
    {
        using var scope = NewDisposeScope();
        FlatParameters parameters = state.Parameters;
        parameters.ZeroGradient();
        LossParts loss = TransfusionLoss.Compute(state.Network, _diffusion, batch.Sequences, config.Image, batch.Draw);
        Tensor total = loss.Total(config.Diffusion.DiffusionLossWeight);
        double norm = 0;
        if (total.requires_grad)                            // else: a batch of text alone, and the text path is frozen
        {
            total.backward();
            parameters.GatherGradient();
            norm = GradientClipping.Clip(parameters.Gradient, options.Optimizer.MaxGradientNorm);
        }
        var result = new StepResult(loss.LanguageLoss?.mean().ToDouble(), loss.DiffusionLoss?.mean().ToDouble(), norm);
        if (total.requires_grad && result.IsFinite)
            state.Update(learningRate);
        return result;
    }

    public void Dispose() => _diffusion.Dispose();
}
