// What the two autoencoders have in common once they are trained: pictures to latents and back, without chance.
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <param name="shape">Resolutions and channels.</param>
/// <param name="latentChannels">Channels of what comes out of <see cref="ToLatents"/>.</param>
internal abstract class AutoencoderNetwork(AutoencoderShape shape, int latentChannels, string name) : nn.Module(name)
{
    public AutoencoderShape Shape { get; } = shape;

    public int LatentChannels { get; } = latentChannels;

    public Device Device => parameters().First().device;

    /// <summary>Moves to a device; the weights outlive the dispose scope that it is called in.</summary>
    public void MoveTo(Device device)
    {
        this.to(device);
        foreach (Tensor weight in state_dict().Values)
            weight.DetachFromDisposeScope();
    }

    /// <summary>Pictures [N, 3, H, W] in [−1, 1] → the likeliest latents, [N, C, H/f, W/f].</summary>
    public abstract Tensor ToLatents(Tensor images);

    /// <summary>Latents [N, C, H/f, W/f] → pictures [N, 3, H, W], about in [−1, 1].</summary>
    public abstract Tensor ToImages(Tensor latents);
}
