// The autoencoder with discrete latents.
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Imaging;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Serialization;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion;

/// <summary>An autoencoder whose latents are vectors of a codebook (van den Oord et al. 2017; Esser et al. 2021), diffusers' VQModel. A picture is then a list of whole numbers.</summary>
/// <remarks>Where a Transfusion model learns on its latents, it learns those before they are rounded to codes, and what it draws is rounded before it is decoded.</remarks>
public sealed class VqAutoencoder : ImageAutoencoder
{
    private readonly VqAutoencoderNetwork _network;

    internal VqAutoencoder(StoredAutoencoder stored, VqAutoencoderNetwork network) : base(stored) => _network = network;

    /// <summary>Vectors in the codebook.</summary>
    public int NumberOfCodes => Stored.Config.Codes!.Count;

    /// <summary>Share of the codes that the last pictures of training used, in [0, 1]; null where the files do not say.</summary>
    public double? CodebookUsage => Stored.CodebookUsage;

    /// <summary>Loads an autoencoder in diffusers' layout: config.json and diffusion_pytorch_model.safetensors, such as the folder <c>vqvae</c> of a latent diffusion model.</summary>
    /// <param name="folder">The folder with the two files.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FormatException">A file is missing, is none of a VQModel, or does not fit the other; the message names the first tensor that is missing, misshapen or left over, and the shape expected.</exception>
    public static VqAutoencoder LoadFolder(string folder)
    {
        StoredAutoencoder stored = Read(folder, isQuantized: true);
        return new VqAutoencoder(stored, (VqAutoencoderNetwork)stored.Network);
    }

    /// <summary>The picture's codes, row after row: ⌈height / f⌉ × ⌈width / f⌉ numbers from 0 to <see cref="NumberOfCodes"/> − 1, f being the downsampling factor.</summary>
    /// <param name="image">A picture of any size; it stays the caller's.</param>
    public int[] EncodeIndices(MLImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        RequireAlive();
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return [.. _network.Quantize(Encode(ToPaddedTensor(image))).Indices.data<long>().Select(index => (int)index)];
    }

    /// <summary>The picture of codes that <see cref="EncodeIndices"/> gave, or that a model has written.</summary>
    /// <param name="indices">Codes row after row.</param>
    /// <param name="height">Height of the picture in pixels.</param>
    /// <param name="width">Width of the picture in pixels.</param>
    /// <returns>A picture, the caller's to dispose.</returns>
    /// <exception cref="ArgumentException">There are not as many indices as such a picture has, or one is no code.</exception>
    public MLImage DecodeIndices(IReadOnlyList<int> indices, int height, int width)
    {
        ArgumentNullException.ThrowIfNull(indices);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        RequireAlive();
        int Places(int size) => (size + DownsamplingFactor - 1) / DownsamplingFactor;
        (int rows, int columns) = (Places(height), Places(width));
        if (indices.Count != rows * columns)
            throw new ArgumentException($"A picture of {height}×{width} has {rows}×{columns} codes; there are {indices.Count}.", nameof(indices));
        if (indices.Where(index => index < 0 || index >= NumberOfCodes).Select(index => (int?)index).FirstOrDefault() is { } unknown)
            throw new ArgumentException($"There is no code {unknown}; they go from 0 to {NumberOfCodes - 1}.", nameof(indices));
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor codes = _network.Lookup(tensor(indices.Select(index => (long)index).ToArray()), rows, columns);
        return ImageTensors.ToImage(Decode(codes)[0].narrow(1, 0, height).narrow(2, 0, width));
    }
}
