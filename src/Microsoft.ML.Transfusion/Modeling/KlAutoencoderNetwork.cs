// The autoencoder of latent diffusion (Rombach et al. 2022; the paper's §4.1): pictures to latents that are close to normal, and back. Names of weights
// are those of diffusers' AutoencoderKL.
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed class KlAutoencoderNetwork : AutoencoderNetwork
{
    [ComponentName(Name = "encoder")]
    private readonly ImageEncoder _encoder;
    [ComponentName(Name = "decoder")]
    private readonly ImageDecoder _decoder;
    [ComponentName(Name = "quant_conv")]
    private readonly ImageConvolution? _afterEncoder;
    [ComponentName(Name = "post_quant_conv")]
    private readonly ImageConvolution? _beforeDecoder;

    /// <param name="convolvesMoments">Whether a 1×1 convolution follows the encoder; newer autoencoders have none.</param>
    /// <param name="convolvesLatents">Whether one comes before the decoder.</param>
    public KlAutoencoderNetwork(AutoencoderShape shape, bool convolvesMoments = true, bool convolvesLatents = true) : base(shape, shape.LatentChannels, nameof(KlAutoencoderNetwork))
    {
        int moments = 2 * shape.LatentChannels;
        (_encoder, _decoder) = (new ImageEncoder(shape, moments), new ImageDecoder(shape));
        if (convolvesMoments)
            _afterEncoder = new ImageConvolution(moments, moments, 1);
        if (convolvesLatents)
            _beforeDecoder = new ImageConvolution(shape.LatentChannels, shape.LatentChannels, 1);
        RegisterComponents();
    }

    /// <summary>Pictures [N, 3, H, W] in [−1, 1] → what their latents may be, [N, C, H/f, W/f].</summary>
    public DiagonalGaussian Encode(Tensor images)
    {
        Tensor moments = _encoder.forward(images);
        return DiagonalGaussian.Of(_afterEncoder is null ? moments : _afterEncoder.forward(moments));
    }

    /// <summary>Latents [N, C, H/f, W/f] → pictures [N, 3, H, W], about in [−1, 1].</summary>
    public Tensor Decode(Tensor latents) => _decoder.forward(_beforeDecoder is null ? latents : _beforeDecoder.forward(latents));

    public override Tensor ToLatents(Tensor images) => Encode(images).Mean;

    public override Tensor ToImages(Tensor latents) => Decode(latents);
}
