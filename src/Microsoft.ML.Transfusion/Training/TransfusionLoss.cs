// L = L_LM + λ · L_DDPM (Transfusion §3): where the language model and the diffusion model meet.
using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

/// <param name="LanguageLoss">Negative log-likelihood of every target token, [M]; null where the batch has none.</param>
/// <param name="DiffusionLoss">Squared error of every image, or the mean negative log-likelihood of its codes, [N]; null where the batch has none.</param>
/// <param name="CodesPerImage">How many codes that is a mean of; 0 where images are continuous.</param>
/// <param name="ZLoss">Squared logarithm of the softmax's denominator at every target token and code, summed; null where it was not asked for.</param>
internal readonly record struct LossParts(Tensor? LanguageLoss, Tensor? DiffusionLoss, int CodesPerImage = 0, Tensor? ZLoss = null)
{
    /// <summary>Mean over tokens plus λ times the mean over images; or the mean over all tokens, where images are codes (Chameleon §2). A scalar.</summary>
    public Tensor Total(double diffusionLossWeight, double zLossWeight = 0) => Total(diffusionLossWeight, zLossWeight, LanguageLoss?.shape[0] ?? 0, DiffusionLoss?.shape[0] ?? 0);

    /// <summary>With the language loss of each token as its batch weighs it, and without the diffusion loss of images that are never noised.</summary>
    public LossParts Weighted(SequenceBatch batch) => this with { LanguageLoss = Weighted(LanguageLoss, batch.TargetWeights), DiffusionLoss = Weighted(DiffusionLoss, batch.ImageWeights) };

    private static Tensor? Weighted(Tensor? losses, float[] weights) =>
        losses is null || weights.All(weight => weight == 1) ? losses : losses * tensor(weights, losses.dtype, losses.device);

    /// <summary>A share of a batch: its part of the means over the whole batch's tokens and images.</summary>
    public Tensor Total(double diffusionLossWeight, double zLossWeight, long tokens, long images)
    {
        long predicted = tokens + images * CodesPerImage;
        Tensor language = LanguageLoss?.sum() ?? zeros([]), ofImages = DiffusionLoss?.sum() ?? zeros([]);
        Tensor total = CodesPerImage > 0
            ? language.Plus(ofImages.Times(CodesPerImage)).DividedBy(predicted)
            : language.DividedBy(Math.Max(1, tokens)).Plus(ofImages.DividedBy(Math.Max(1, images)).Times(diffusionLossWeight));
        return ZLoss is null ? total : total.Plus(ZLoss.DividedBy(Math.Max(1, predicted)).Times(zLossWeight));
    }
}

/// <param name="Timesteps">One for each image, [N]: int64, or 32-bit for flow matching.</param>
/// <param name="Noise">Standard normal, of the images' shape [N, C, H, W].</param>
internal sealed record NoiseDraw(Tensor Timesteps, Tensor Noise)
{
    /// <summary>Timesteps below each image's limit, and noise. Drawn on the CPU, so that a seed means the same on every device.</summary>
    public static NoiseDraw Random(SequenceBatch batch, DiffusionConfig config, Generator generator)
    {
        using var scope = NewDisposeScope();
        Tensor share = rand(batch.MaxTimesteps.Length, generator: generator);                               // [0, 1)
        Tensor limits = tensor(batch.MaxTimesteps, ScalarType.Float32);
        if (config.Timesteps == TimestepDistribution.LogitNormal)
        {
            Tensor normal = randn(batch.MaxTimesteps.Length, generator: generator).Times(config.TimestepSpread).Plus(config.TimestepMean);
            share = where(limits.IsBelow(config.NumberOfTrainTimesteps), share, normal.sigmoid());                 // what is to be described is not noised more
        }
        Tensor timesteps = config.Objective == DiffusionObjective.FlowMatching
            ? share * where(limits.IsBelow(config.NumberOfTrainTimesteps), limits.Minus(1), limits)                     // any number up to the limit, or to pure noise
            : minimum((share * limits).to(ScalarType.Int64), limits.Minus(1).to(ScalarType.Int64));
        return new NoiseDraw(timesteps.MoveToOuterDisposeScope(), randn(batch.Images!.shape, generator: generator).MoveToOuterDisposeScope());
    }
}

internal static class TransfusionLoss
{
    /// <summary>Noises the images, runs the network once over the batch, and compares.</summary>
    /// <param name="draw">Timesteps and noise for the batch's images; null where it has none.</param>
    /// <param name="withZLoss">Whether <see cref="LossParts.ZLoss"/> is computed.</param>
    public static LossParts Compute(TransfusionNetwork network, DiffusionProcess diffusion, SequenceBatch batch, PatchGrid grid, NoiseDraw? draw, bool withZLoss = false)
    {
        using var scope = NewDisposeScope();
        Device device = network.Device;
        Tensor embedded = network.EmbedTokens(batch.TokenIds.to(device));                                   // [N, D]
        Tensor? timesteps = draw?.Timesteps.to(device), target = null;
        UNetPass? pass = null;
        if (batch.Images is not null)
        {
            Tensor clean = batch.Images.to(device), noise = draw!.Noise.to(device);
            target = diffusion.Target(clean, noise, timesteps!);
            (Tensor patches, pass) = network.EmbedImages(diffusion.AddNoise(clean, noise, timesteps!), timesteps!, grid);
            embedded = cat([embedded, patches.flatten(0, 1)], 0);
        }
        Tensor positions = embedded.index_select(0, batch.Order.to(device)).view(batch.Rows, batch.Mask.Length, -1);
        Tensor hidden = network.Forward(positions, batch.Mask).flatten(0, 1);                               // [B·T, D]
        Tensor? languageLoss = null, diffusionLoss = null, zLoss = null;
        Tensor TokenLoss(Tensor positions, Tensor tokens)
        {
            Tensor logits = network.Logits(hidden.index_select(0, positions.to(device)));
            if (withZLoss)
                zLoss = (zLoss ?? zeros([], device: device)).Plus(logits.logsumexp(-1).Squared().sum());
            return nn.functional.cross_entropy(logits, tokens.to(device), reduction: nn.Reduction.None);
        }
        if (batch.Targets.shape[0] > 0)
            languageLoss = TokenLoss(batch.TargetPositions, batch.Targets);
        if (target is not null)
        {
            Tensor ofPatches = hidden.index_select(0, batch.ImagePositions.to(device)).view(target.shape[0], grid.PatchCount, -1);
            diffusionLoss = diffusion.Loss(network.PredictImages(ofPatches, pass, grid), target, timesteps!);
        }
        int codes = batch.Codes.shape[0] == 0 ? 0 : (int)batch.Codes.shape[0] / batch.MaxTimesteps.Length;
        if (codes > 0)
            diffusionLoss = TokenLoss(batch.CodePositions, batch.Codes).view(-1, codes).mean([1]);
        return new LossParts(languageLoss?.MoveToOuterDisposeScope(), diffusionLoss?.MoveToOuterDisposeScope(), codes, zLoss?.MoveToOuterDisposeScope());
    }
}
