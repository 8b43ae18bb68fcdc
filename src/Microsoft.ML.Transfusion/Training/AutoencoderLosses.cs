// What an autoencoder learns by: L1 + perceptual + 0.5 · adversarial + 1e-6 · KL, or the codebook's loss in place of the last (Transfusion Appendix A, after
// Rombach et al. 2022 and Esser et al. 2021). The adversarial part is weighed anew at every step, so that it pulls at a picture as strongly as the others
// do, times its weight; Esser et al. compare the pulls at the decoder's last layer, here they are compared at the picture itself, which costs no second
// way back through the decoder.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

/// <summary>The losses of one batch.</summary>
/// <param name="Adversarial">NaN where the discriminator takes no part yet.</param>
internal readonly record struct AutoencoderStep(double Reconstruction, double Perceptual, double Adversarial, double Latent);

internal sealed class AutoencoderLosses(AutoencoderNetwork network, PerceptualNetwork perceptual, PatchDiscriminator discriminator, AutoencoderOptions options,
    CodebookRevival? codebook, Generator generator)
{
    private const double Epsilon = 1e-8, MostAdversarial = 1e4;

    /// <summary>Leaves the gradient of the autoencoder with its parameters, and that of the discriminator too where it takes part.</summary>
    /// <param name="images">[N, 3, H, W] in [−1, 1].</param>
    /// <param name="isAdversarial">Whether the discriminator takes part.</param>
    /// <param name="revives">Whether unused codes may move.</param>
    public AutoencoderStep Backward(Tensor images, bool isAdversarial, bool revives)
    {
        using var scope = NewDisposeScope();
        (Tensor reconstruction, Tensor latentLoss, double weight) = network switch
        {
            VqAutoencoderNetwork vq => Quantized(vq, images, revives),
            var other => Sampled((KlAutoencoderNetwork)other, images),
        };
        Tensor picture = reconstruction.detach().requires_grad_();
        Tensor absolute = picture.Plus(images, -1).abs().mean(), distance = options.PerceptualWeight > 0 ? perceptual.Distance(picture, images) : zeros([]);
        Tensor pull = autograd.grad([absolute.Plus(distance, options.PerceptualWeight)], [picture])[0];
        double adversarial = double.NaN;
        if (isAdversarial)
        {
            Tensor verdict = discriminator.forward(picture).mean().Times(-1);
            Tensor towardsReal = autograd.grad([verdict], [picture])[0];
            double balance = Math.Min(pull.norm().AsDouble() / (towardsReal.norm().AsDouble() + Epsilon), MostAdversarial);
            pull = pull.Plus(towardsReal, options.AdversarialWeight * balance);
            adversarial = verdict.AsDouble();
        }
        autograd.backward([reconstruction, latentLoss], [pull, Arithmetic.Full([], weight, ScalarType.Float32, images.device)]);
        if (isAdversarial)
            PatchDiscriminator.Loss(discriminator.forward(images), discriminator.forward(picture.detach())).backward();
        return new AutoencoderStep(absolute.AsDouble(), distance.AsDouble(), adversarial, latentLoss.AsDouble());
    }

    /// <summary>The divergence is a picture's and counts beside losses of a pixel's channel, so it is divided by their number, as in latent diffusion, where the others are summed.</summary>
    private (Tensor Reconstruction, Tensor Loss, double Weight) Sampled(KlAutoencoderNetwork kl, Tensor images)
    {
        DiagonalGaussian latents = kl.Encode(images);
        Tensor noise = randn(latents.Mean.shape, ScalarType.Float32, generator: generator).to(images.device);
        return (kl.Decode(latents.Sample(noise)), latents.Divergence().mean(), options.DivergenceWeight / (images.numel() / images.shape[0]));
    }

    private (Tensor Reconstruction, Tensor Loss, double Weight) Quantized(VqAutoencoderNetwork vq, Tensor images, bool revives)
    {
        Tensor latents = vq.Encode(images);
        QuantizedLatents quantized = vq.Quantize(latents);
        codebook!.Observe(latents, quantized.Indices, revives);
        return (vq.Decode(quantized.Quantized), quantized.Loss, 1);
    }
}
