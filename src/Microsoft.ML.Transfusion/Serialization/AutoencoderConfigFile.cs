// The configuration beside an autoencoder's weights, diffusers' config.json. What this network cannot be is refused by name.
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Transfusion.Modeling;

namespace Microsoft.ML.Transfusion.Serialization;

/// <summary>What an AutoencoderKL is, and how its latents are brought near the standard normal: (latent − shift) · scaling.</summary>
/// <param name="ConvolvesMoments">Whether it has a quant_conv.</param>
/// <param name="ConvolvesLatents">Whether it has a post_quant_conv.</param>
internal sealed record AutoencoderConfigFile(AutoencoderShape Shape, bool ConvolvesMoments = true, bool ConvolvesLatents = true,
    double ScalingFactor = AutoencoderConfigFile.DefaultScalingFactor, double ShiftFactor = 0)
{
    public const string FileName = "config.json";

    private const double DefaultScalingFactor = 0.18215;            // diffusers', of Stable Diffusion's autoencoder
    private const int DefaultGroups = 32;
    private const string DownBlock = "DownEncoderBlock2D";
    private const string UpBlock = "UpDecoderBlock2D";

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true };

    /// <exception cref="FormatException">The contents are no configuration of an AutoencoderKL that this network can be.</exception>
    public static AutoencoderConfigFile Read(string path, byte[] contents)
    {
        var file = new JsonSettings(path, contents);
        file.Require("_class_name", "AutoencoderKL", orAbsent: false, "Only an AutoencoderKL can be taken over");
        file.Require("act_fn", "silu", orAbsent: true, "This network's blocks have SiLU");
        file.RequireEach("down_block_types", DownBlock, $"This network's way down has {DownBlock} alone");
        file.RequireEach("up_block_types", UpBlock, $"This network's way up has {UpBlock} alone");
        int channels = file.OptionalInt("in_channels") ?? 3, groups = file.OptionalInt("norm_num_groups") ?? DefaultGroups;
        if ((file.OptionalInt("out_channels") ?? 3) != channels)
            throw file.Refuse("out_channels", $"Pictures come out as they go in, with {channels} channels");
        IReadOnlyList<int> blocks = file.Ints("block_out_channels");
        if (blocks.FirstOrDefault(count => count % groups != 0) is > 0 and var uneven)
            throw file.Refuse("norm_num_groups", $"It must divide every number of block_out_channels, and does not divide {uneven}");
        var shape = new AutoencoderShape(blocks, file.OptionalInt("layers_per_block") ?? 1, file.Int("latent_channels"), groups, channels,
            !file.Has("mid_block_add_attention") || file.Flag("mid_block_add_attention"));
        bool IsOn(string key) => !file.Has(key) || file.Flag(key);
        return new AutoencoderConfigFile(shape, IsOn("use_quant_conv"), IsOn("use_post_quant_conv"), file.Number("scaling_factor", DefaultScalingFactor),
            file.Has("shift_factor") ? file.AnyNumber("shift_factor") : 0);
    }

    public byte[] Write()
    {
        int levels = Shape.BlockChannels.Count;
        var json = new JsonObject
        {
            ["_class_name"] = "AutoencoderKL",
            ["act_fn"] = "silu",
            ["block_out_channels"] = new JsonArray([.. Shape.BlockChannels.Select(count => (JsonNode)count)]),
            ["down_block_types"] = new JsonArray([.. Enumerable.Repeat(DownBlock, levels).Select(name => (JsonNode)name)]),
            ["in_channels"] = Shape.ImageChannels,
            ["latent_channels"] = Shape.LatentChannels,
            ["layers_per_block"] = Shape.LayersPerBlock,
            ["mid_block_add_attention"] = Shape.Attends,
            ["norm_num_groups"] = Shape.Groups,
            ["out_channels"] = Shape.ImageChannels,
            ["scaling_factor"] = ScalingFactor,
            ["shift_factor"] = ShiftFactor == 0 ? null : ShiftFactor,
            ["up_block_types"] = new JsonArray([.. Enumerable.Repeat(UpBlock, levels).Select(name => (JsonNode)name)]),
            ["use_post_quant_conv"] = ConvolvesLatents,
            ["use_quant_conv"] = ConvolvesMoments,
        };
        return JsonSerializer.SerializeToUtf8Bytes(json, Json);
    }

    public KlAutoencoderNetwork CreateNetwork() => new(Shape, ConvolvesMoments, ConvolvesLatents);
}
