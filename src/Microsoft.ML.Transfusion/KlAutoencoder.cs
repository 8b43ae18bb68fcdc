// The autoencoder with continuous latents.
using Microsoft.ML.Transfusion.Serialization;

namespace Microsoft.ML.Transfusion;

/// <summary>An autoencoder whose latents are continuous and close to normal (Kingma and Welling 2014; Rombach et al. 2022), diffusers' AutoencoderKL: of Stable Diffusion, SDXL, SD3 or FLUX, or one's own.</summary>
public sealed class KlAutoencoder : ImageAutoencoder
{
    internal KlAutoencoder(StoredAutoencoder stored) : base(stored)
    {
    }

    /// <summary>Other programs multiply latents by this, after <see cref="ShiftFactor"/>; a trained one has 1 over their standard deviation. A Transfusion model measures its own mean and deviation for each channel instead.</summary>
    public double ScalingFactor => Stored.Config.ScalingFactor;

    /// <summary>Other programs take this from latents first.</summary>
    public double ShiftFactor => Stored.Config.ShiftFactor;

    /// <summary>Loads an autoencoder in diffusers' layout: config.json and diffusion_pytorch_model.safetensors, such as the folder <c>vae</c> of a diffusion model; the layer names of old and new versions.</summary>
    /// <param name="folder">The folder with the two files.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FormatException">A file is missing, is none of an AutoencoderKL, or does not fit the other; the message names the first tensor that is missing, misshapen or left over, and the shape expected.</exception>
    public static KlAutoencoder LoadFolder(string folder) => new(Read(folder, isQuantized: false));
}
