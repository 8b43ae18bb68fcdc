// The façade of an autoencoder: pictures to latents and back, folders in diffusers' layout.
using System.Diagnostics.CodeAnalysis;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Imaging;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion;

/// <summary>Turns pictures into latents, which have a few values in place of many pixels, and back (Transfusion §4.1). A Transfusion model can learn on latents: <see cref="TransfusionTrainer.Options.Autoencoder"/>.</summary>
/// <remarks>Made by <see cref="ImageAutoencoderTrainer"/>, <see cref="KlAutoencoder.LoadFolder"/> or <see cref="VqAutoencoder.LoadFolder"/>. Safe for many threads. It computes on the CPU.</remarks>
public abstract class ImageAutoencoder : IDisposable
{
    private bool _disposed;

    private protected ImageAutoencoder(StoredAutoencoder stored) => Stored = stored;

    /// <summary>Pixels along one side of a latent's place: 8 where a picture of 256×256 has latents of 32×32.</summary>
    public int DownsamplingFactor => Stored.Network.Shape.Factor;

    /// <summary>Values at each place of the latents.</summary>
    public int LatentChannels => Stored.Network.LatentChannels;

    /// <summary>Which features judged likeness in training; null where the files do not say.</summary>
    public string? PerceptualFeatures => Stored.PerceptualFeatures;

    /// <summary>Pictures larger than this are encoded and decoded in tiles of so many pixels a side, which overlap by a quarter and fade into each other; 512 by default. Memory grows with it. A multiple of four times <see cref="DownsamplingFactor"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is no such multiple.</exception>
    public int TileSize
    {
        get;
        set
        {
            int unit = 4 * DownsamplingFactor;
            if (value < unit || value % unit != 0)
                throw new ArgumentOutOfRangeException(nameof(value), value, $"TileSize is {value}; it must be a multiple of {unit}, four times the downsampling factor.");
            field = value;
        }
    } = 512;

    internal StoredAutoencoder Stored { get; }

    /// <summary>What is left of a picture that becomes latents and a picture again.</summary>
    /// <param name="image">A picture of any size; it stays the caller's.</param>
    /// <returns>A picture of the same size, the caller's to dispose.</returns>
    public MLImage Reconstruct(MLImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        RequireAlive();
        using var scope = NewDisposeScope();
        Tensor pixels = ToPaddedTensor(image);
        return ImageTensors.ToImage(Decode(Encode(pixels))[0].narrow(1, 0, image.Height).narrow(2, 0, image.Width));
    }

    /// <summary>Writes config.json and diffusion_pytorch_model.safetensors as diffusers' <c>from_pretrained</c> and this library's <c>LoadFolder</c> read them. An older pair of them is replaced when the new one is complete.</summary>
    /// <param name="folder">Made where there is none.</param>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public void SaveFolder(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        RequireAlive();
        AutoencoderFolder.Write(folder, Stored);
    }

    /// <inheritdoc/>
    [SuppressMessage("Design", "CA1063", Justification = "Only this assembly derives, and nothing is finalized.")]
    public void Dispose()
    {
        _disposed = true;
        Stored.Dispose();
        GC.SuppressFinalize(this);
    }

    internal static ImageAutoencoder Of(StoredAutoencoder stored) => stored.Network is VqAutoencoderNetwork network ? new VqAutoencoder(stored, network) : new KlAutoencoder(stored);

    /// <summary>[N, 3, H, W] in [−1, 1] → [N, C, H/f, W/f].</summary>
    internal Tensor Encode(Tensor pixels)
    {
        using var noGradient = no_grad();
        return Tiles.Map(pixels, TileSize, Stored.Network.ToLatents);
    }

    /// <summary>[N, C, H/f, W/f] → [N, 3, H, W] in [−1, 1].</summary>
    internal Tensor Decode(Tensor latents)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return Tiles.Map(latents, TileSize / DownsamplingFactor, Stored.Network.ToImages).Clamp(-1, 1).MoveToOuterDisposeScope();
    }

    internal void RequireAlive() => ObjectDisposedException.ThrowIf(_disposed, this);

    /// <summary>[1, 3, H, W], its last row and column repeated until the factor divides both sides.</summary>
    internal Tensor ToPaddedTensor(MLImage image)
    {
        using var scope = NewDisposeScope();
        Tensor pixels = ImageTensors.ToTensor(image, image.Height, image.Width).unsqueeze(0);
        int Missing(int size) => (DownsamplingFactor - size % DownsamplingFactor) % DownsamplingFactor;
        return nn.functional.pad(pixels, [0, Missing(image.Width), 0, Missing(image.Height)], TorchSharp.PaddingModes.Replicate).MoveToOuterDisposeScope();
    }

    private protected static StoredAutoencoder Read(string folder, bool isQuantized)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        StoredAutoencoder stored = AutoencoderFolder.Read(folder);
        if (stored.Config.Codes is not null == isQuantized)
            return stored;
        stored.Dispose();
        throw new FormatException(isQuantized ? $"{folder} holds an AutoencoderKL, which has no codebook. Load it with {nameof(KlAutoencoder)}.{nameof(KlAutoencoder.LoadFolder)}."
            : $"{folder} holds a VQModel. Load it with {nameof(VqAutoencoder)}.{nameof(VqAutoencoder.LoadFolder)}.");
    }
}
