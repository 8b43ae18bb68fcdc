using System.Text.Json.Nodes;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Serialization;

public sealed class AutoencoderFolderTests : IDisposable
{
    private static readonly AutoencoderConfigFile Older = new(new AutoencoderShape([8, 16], LayersPerBlock: 1, LatentChannels: 4, Groups: 4));
    private static readonly AutoencoderConfigFile Newer = new(new AutoencoderShape([8, 8, 16], LayersPerBlock: 2, LatentChannels: 16, Groups: 8),
        ConvolvesMoments: false, ConvolvesLatents: false, ScalingFactor: 1.5305, ShiftFactor: 0.0609);

    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_was_written_is_read_bit_for_bit(bool newer)
    {
        AutoencoderConfigFile config = newer ? Newer : Older;
        KlAutoencoderNetwork network = Random(config);
        AutoencoderFolder.Write(_folder.Path, new StoredAutoencoder(config, network, new Dictionary<string, string> { ["perceptual_features"] = "none" }));

        StoredAutoencoder stored = AutoencoderFolder.Read(_folder.Path);
        (AutoencoderConfigFile read, var again) = (stored.Config, (KlAutoencoderNetwork)stored.Network);

        Assert.Equal(config.Shape.BlockChannels, read.Shape.BlockChannels);
        Assert.Equal(config with { Shape = read.Shape }, read);
        Assert.Equal("none", stored.PerceptualFeatures);
        foreach ((string name, Tensor weight) in network.state_dict())
            Assert.True(weight.bytes.SequenceEqual(again.state_dict()[name].bytes), name);
        Tensor picture = rand([1, 3, 16, 16], generator: new Generator(1, CPU));
        Assert.Equal([1, config.Shape.LatentChannels, 16 / config.Shape.Factor, 16 / config.Shape.Factor], again.Encode(picture).Mean.shape);
        TensorAssert.Close(network.Decode(network.Encode(picture).Mean), again.Decode(again.Encode(picture).Mean), 0);
    }

    [Fact]
    public void Attention_may_have_the_names_it_had_before()
    {
        KlAutoencoderNetwork network = Random(Older);
        Write(network);
        Rewrite(weights => weights.ToDictionary(pair => pair.Key.Replace("to_q", "query", StringComparison.Ordinal).Replace("to_k", "key", StringComparison.Ordinal)
            .Replace("to_v", "value", StringComparison.Ordinal).Replace("to_out.0", "proj_attn", StringComparison.Ordinal), pair => pair.Value));

        AutoencoderNetwork again = AutoencoderFolder.Read(_folder.Path).Network;

        foreach ((string name, Tensor weight) in network.state_dict())
            TensorAssert.Close(weight, again.state_dict()[name], 0);
    }

    [Fact]
    public void Files_that_do_not_fit_name_the_tensor_and_its_shape()
    {
        Write(Random(Older));
        Assert.Contains("lacks 'decoder.conv_in.bias' [16]", Error(weights => weights.Remove("decoder.conv_in.bias")), StringComparison.Ordinal);
        Write(Random(Older));
        Assert.Contains("'decoder.conv_in.bias' is [3]; config.json asks for [16]", Error(weights => weights["decoder.conv_in.bias"] = zeros(3)), StringComparison.Ordinal);
        Write(Random(Older));
        Assert.Contains("holds 'loss.weight'", Error(weights => weights["loss.weight"] = zeros(3)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("_class_name", "\"AutoencoderTiny\"", "Only an AutoencoderKL or a VQModel")]
    [InlineData("down_block_types", "[\"AttnDownEncoderBlock2D\"]", "DownEncoderBlock2D alone")]
    [InlineData("block_out_channels", "[6]", "must divide every number")]
    [InlineData("latent_channels", "0", "above 0")]
    [InlineData("act_fn", "\"gelu\"", "SiLU")]
    public void What_this_network_cannot_be_is_refused_by_name(string key, string value, string message)
    {
        Write(Random(Older));
        JsonNode config = JsonNode.Parse(File.ReadAllText(_folder.File("config.json")))!;
        config[key] = JsonNode.Parse(value);
        File.WriteAllText(_folder.File("config.json"), config.ToJsonString());

        Assert.Contains(message, Assert.Throws<FormatException>(() => AutoencoderFolder.Read(_folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_is_none_says_what_it_lacks()
    {
        Assert.Throws<DirectoryNotFoundException>(() => AutoencoderFolder.Read(_folder.File("nowhere")));
        Assert.Contains("has no config.json", Assert.Throws<FormatException>(() => AutoencoderFolder.Read(_folder.Path)).Message, StringComparison.Ordinal);
    }

    private void Write(AutoencoderNetwork network) => AutoencoderFolder.Write(_folder.Path, new StoredAutoencoder(Older, network, new Dictionary<string, string>()));

    private string Error(Action<Dictionary<string, Tensor>> change)
    {
        Rewrite(weights =>
        {
            change(weights);
            return weights;
        });
        return Assert.Throws<FormatException>(() => AutoencoderFolder.Read(_folder.Path)).Message;
    }

    private void Rewrite(Func<Dictionary<string, Tensor>, Dictionary<string, Tensor>> change)
    {
        string path = _folder.File(AutoencoderFolder.WeightsFile);
        Dictionary<string, Tensor> weights;
        using (FileStream stream = File.OpenRead(path))
            weights = SafeTensors.Read(stream);
        using FileStream written = File.Create(path);
        SafeTensors.Write(written, change(weights));
    }

    private static KlAutoencoderNetwork Random(AutoencoderConfigFile config)
    {
        var network = (KlAutoencoderNetwork)config.CreateNetwork();
        using var noGradient = no_grad();
        using var generator = new Generator(7, CPU);
        foreach (Tensor weight in network.state_dict().Values)
            weight.normal_(0, 0.1, generator);
        return network;
    }
}
