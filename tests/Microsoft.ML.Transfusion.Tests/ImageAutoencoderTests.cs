using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Serialization;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests;

public sealed class ImageAutoencoderTests : IDisposable
{
    private static readonly AutoencoderShape Shape = new([8, 8, 16], LayersPerBlock: 1, LatentChannels: 4, Groups: 4);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_KL_folder_written_is_loaded_bit_for_bit_and_says_what_it_is()
    {
        using var autoencoder = (KlAutoencoder)Random(new AutoencoderConfigFile(Shape with { LatentChannels = 16 }, ConvolvesMoments: false, ConvolvesLatents: false, ScalingFactor: 0.36, ShiftFactor: 0.12), "of nobody");
        autoencoder.SaveFolder(_folder.Path);

        using KlAutoencoder again = KlAutoencoder.LoadFolder(_folder.Path);

        Assert.Equal((4, 16, 0.36, 0.12, "of nobody"), (again.DownsamplingFactor, again.LatentChannels, again.ScalingFactor, again.ShiftFactor, again.PerceptualFeatures));
        RequireEqual(autoencoder, again);
        Assert.Contains("Load it with KlAutoencoder", Assert.Throws<FormatException>(() => VqAutoencoder.LoadFolder(_folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_VQ_folder_written_is_loaded_bit_for_bit_and_says_what_it_is()
    {
        using var autoencoder = (VqAutoencoder)Random(new AutoencoderConfigFile(Shape, Codes: new Codebook(20, 5)), "none", usage: 0.75);
        autoencoder.SaveFolder(_folder.Path);

        using VqAutoencoder again = VqAutoencoder.LoadFolder(_folder.Path);

        Assert.Equal((4, 5, 20, 0.75), (again.DownsamplingFactor, again.LatentChannels, again.NumberOfCodes, again.CodebookUsage));
        RequireEqual(autoencoder, again);
        Assert.Contains("Load it with VqAutoencoder", Assert.Throws<FormatException>(() => KlAutoencoder.LoadFolder(_folder.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(8, 8)]
    [InlineData(13, 6)]
    [InlineData(1, 3)]
    [InlineData(40, 72)]
    public void Pictures_of_any_size_keep_it_and_large_ones_go_in_tiles(int width, int height)
    {
        using ImageAutoencoder autoencoder = Random(new AutoencoderConfigFile(Shape), "none");
        autoencoder.TileSize = 32;
        using MLImage picture = TinyTraining.Picture(3, width, height), reconstructed = autoencoder.Reconstruct(picture);

        Assert.Equal((width, height), (reconstructed.Width, reconstructed.Height));
    }

    [Fact]
    public void Tiles_are_multiples_of_four_times_the_factor()
    {
        using ImageAutoencoder autoencoder = Random(new AutoencoderConfigFile(Shape), "none");
        Assert.Equal(512, autoencoder.TileSize);
        Assert.Contains("multiple of 16", Assert.Throws<ArgumentOutOfRangeException>(() => autoencoder.TileSize = 24).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => autoencoder.TileSize = 0);
    }

    [Fact]
    public void Codes_of_a_picture_give_what_is_left_of_it()
    {
        using var autoencoder = (VqAutoencoder)Random(new AutoencoderConfigFile(Shape, Codes: new Codebook(20, 5)), "none");
        using MLImage picture = TinyTraining.Picture(1, 10, 8);

        int[] indices = autoencoder.EncodeIndices(picture);

        Assert.Equal(2 * 3, indices.Length);
        Assert.All(indices, index => Assert.InRange(index, 0, 19));
        using MLImage decoded = autoencoder.DecodeIndices(indices, 8, 10), expected = autoencoder.Reconstruct(picture);
        Assert.Equal(expected.Pixels.ToArray(), decoded.Pixels.ToArray());
        Assert.Contains("has 2×3 codes; there are 5", Assert.Throws<ArgumentException>(() => autoencoder.DecodeIndices(indices[..5], 8, 10)).Message, StringComparison.Ordinal);
        Assert.Contains("no code 20", Assert.Throws<ArgumentException>(() => autoencoder.DecodeIndices([20, .. indices[1..]], 8, 10)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_is_left_behind_and_nothing_works_after_Dispose()
    {
        ImageAutoencoder autoencoder = Random(new AutoencoderConfigFile(Shape, Codes: new Codebook(20, 5)), "none");
        using MLImage picture = TinyTraining.Picture(1);
        LeakCheck.Holds(() => autoencoder.Reconstruct(picture).Dispose(), times: 2);
        autoencoder.Dispose();
        Assert.Throws<ObjectDisposedException>(() => autoencoder.Reconstruct(picture));
        Assert.Throws<ObjectDisposedException>(() => autoencoder.SaveFolder(_folder.Path));
    }

    private static void RequireEqual(ImageAutoencoder expected, ImageAutoencoder actual)
    {
        using MLImage picture = TinyTraining.Picture(2, 16, 12), left = expected.Reconstruct(picture), right = actual.Reconstruct(picture);
        Assert.Equal(left.Pixels.ToArray(), right.Pixels.ToArray());
        foreach ((string name, Tensor weight) in expected.Stored.Network.state_dict())
            Assert.True(weight.bytes.SequenceEqual(actual.Stored.Network.state_dict()[name].bytes), name);
    }

    private static ImageAutoencoder Random(AutoencoderConfigFile config, string features, double? usage = null)
    {
        AutoencoderNetwork network = config.CreateNetwork();
        using var noGradient = no_grad();
        using var generator = new Generator(7, CPU);
        foreach (Tensor weight in network.state_dict().Values)
            weight.normal_(0, 0.1, generator);
        return ImageAutoencoder.Of(new StoredAutoencoder(config, network, StoredAutoencoder.NotesOf(features, usage)));
    }
}
