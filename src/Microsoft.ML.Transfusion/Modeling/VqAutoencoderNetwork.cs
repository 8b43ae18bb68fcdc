// The same autoencoder with discrete latents (Esser et al. 2021; the Chameleon baseline of the paper's §4.1). Names of weights are those of diffusers' VQModel.
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed class VqAutoencoderNetwork : AutoencoderNetwork
{
    [ComponentName(Name = "encoder")]
    private readonly ImageEncoder _encoder;
    [ComponentName(Name = "decoder")]
    private readonly ImageDecoder _decoder;
    [ComponentName(Name = "quant_conv")]
    private readonly ImageConvolution _beforeQuantizer;
    [ComponentName(Name = "quantize")]
    private readonly VectorQuantizer _quantizer;
    [ComponentName(Name = "post_quant_conv")]
    private readonly ImageConvolution _afterQuantizer;

    /// <param name="codes">Vectors in the codebook.</param>
    /// <param name="codeSize">Values of each.</param>
    /// <param name="weighsCodebook">What diffusers' VQModel trains with, whose β weighs the codebook's loss; see <see cref="VectorQuantizer"/>.</param>
    public VqAutoencoderNetwork(AutoencoderShape shape, int codes, int codeSize, bool weighsCodebook = false) : base(shape, codeSize, nameof(VqAutoencoderNetwork))
    {
        (_encoder, _decoder) = (new ImageEncoder(shape, shape.LatentChannels), new ImageDecoder(shape));
        _beforeQuantizer = new ImageConvolution(shape.LatentChannels, codeSize, 1);
        _quantizer = new VectorQuantizer(codes, codeSize, weighsCodebook: weighsCodebook);
        _afterQuantizer = new ImageConvolution(codeSize, shape.LatentChannels, 1);
        RegisterComponents();
    }

    /// <summary>Pictures [N, 3, H, W] in [−1, 1] → latents before they are quantized, [N, C, H/f, W/f].</summary>
    public Tensor Encode(Tensor images) => _beforeQuantizer.forward(_encoder.forward(images));

    /// <summary>The nearest codes.</summary>
    public QuantizedLatents Quantize(Tensor latents) => _quantizer.Forward(latents);

    /// <summary>Codes [N, C, H/f, W/f] → pictures [N, 3, H, W], about in [−1, 1].</summary>
    public Tensor Decode(Tensor quantized) => _decoder.forward(_afterQuantizer.forward(quantized));

    /// <summary>Codes of indices [N · H/f · W/f].</summary>
    public Tensor Lookup(Tensor indices, long height, long width) => _quantizer.Lookup(indices, height, width);

    /// <summary>All codes, [K, C].</summary>
    public Tensor Codebook => _quantizer.Codebook;

    public override Tensor ToLatents(Tensor images) => Encode(images);

    public override Tensor ToImages(Tensor latents) => Decode(Quantize(latents).Quantized);
}
