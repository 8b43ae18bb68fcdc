// Tells pictures from reconstructions, patch by patch (Isola et al. 2017; Esser et al. 2021). Group norms, so that no picture's verdict depends on the batch.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed class PatchDiscriminator : nn.Module<Tensor, Tensor>
{
    private const int Groups = 8;
    private const double Leak = 0.2;

    private readonly Sequential _layers;

    /// <param name="channels">Of the first layer, a multiple of 8; twice as many in the second.</param>
    public PatchDiscriminator(int channels, Generator generator) : base(nameof(PatchDiscriminator))
    {
        _layers = nn.Sequential(
            new ImageConvolution(3, channels, 4, stride: 2, padding: 1), nn.LeakyReLU(Leak),
            new ImageConvolution(channels, 2 * channels, 4, stride: 2, padding: 1), nn.GroupNorm(Groups, 2 * channels), nn.LeakyReLU(Leak),
            new ImageConvolution(2 * channels, 1, 4, padding: 1));
        RegisterComponents();
        ConvolutionalWeights.Initialize(this, generator);
    }

    /// <summary>[N, 3, H, W] → how real each patch looks, [N, 1, H/4 − 1, W/4 − 1].</summary>
    public override Tensor forward(Tensor input) => _layers.forward(input);

    /// <summary>What it learns by: real patches above 1, others below −1 (hinge loss), a scalar.</summary>
    public static Tensor Loss(Tensor real, Tensor made)
    {
        using var scope = NewDisposeScope();
        Tensor ofReal = real.Times(-1).Plus(1).ClampMin(0).mean(), ofMade = made.Plus(1).ClampMin(0).mean();
        return ofReal.Plus(ofMade).Times(0.5).MoveToOuterDisposeScope();
    }
}
