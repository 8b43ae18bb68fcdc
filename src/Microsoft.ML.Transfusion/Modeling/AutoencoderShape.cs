// The size of an autoencoder of images, in diffusers' terms.
namespace Microsoft.ML.Transfusion.Modeling;

/// <param name="BlockChannels">Channels at each resolution, from the picture's down; every further one halves it.</param>
/// <param name="LayersPerBlock">Residual blocks on the way down; one more on the way up.</param>
/// <param name="LatentChannels">Channels of a latent.</param>
/// <param name="Groups">Of the group norms.</param>
/// <param name="ImageChannels">Channels of a picture.</param>
/// <param name="Attends">Whether places attend to each other at the lowest resolution.</param>
internal sealed record AutoencoderShape(IReadOnlyList<int> BlockChannels, int LayersPerBlock, int LatentChannels, int Groups, int ImageChannels = 3, bool Attends = true)
{
    private const double Epsilon = 1e-6;

    /// <summary>Pixels along one side of a latent's place.</summary>
    public int Factor => 1 << (BlockChannels.Count - 1);

    /// <summary>One head of attention over all channels, at the lowest resolution only.</summary>
    public UNetBlockSettings Blocks => new(TimeSize: null, Groups, HeadSize: BlockChannels[^1], Epsilon, PadsOneSide: true);
}
