// The configuration beside an autoencoder's weights, diffusers' config.json. What this network cannot be is refused by name.
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Transfusion.Modeling;

namespace Microsoft.ML.Transfusion.Serialization;

/// <summary>What an AutoencoderKL or a VQModel is, and how its latents are brought near the standard normal: (latent − shift) · scaling.</summary>
/// <param name="ConvolvesMoments">Whether an AutoencoderKL has a quant_conv.</param>
/// <param name="ConvolvesLatents">Whether an AutoencoderKL has a post_quant_conv.</param>
/// <param name="Codes">Of a VQModel; null of an AutoencoderKL, which has no codebook.</param>
internal sealed record AutoencoderConfigFile(AutoencoderShape Shape, bool ConvolvesMoments = true, bool ConvolvesLatents = true,
    double ScalingFactor = AutoencoderConfigFile.DefaultScalingFactor, double ShiftFactor = 0, Codebook? Codes = null)
{
    public const string FileName = "config.json";

    private const double DefaultScalingFactor = 0.18215;            // diffusers', of Stable Diffusion's autoencoder
    private const int DefaultGroups = 32;
    private const string KlClass = "AutoencoderKL", VqClass = "VQModel";
    private const int DefaultCodes = 256;
    private const string DownBlock = "DownEncoderBlock2D";
    private const string UpBlock = "UpDecoderBlock2D";

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true };

    private string ClassName => Codes is null ? KlClass : VqClass;

    /// <exception cref="FormatException">The contents are no configuration of an AutoencoderKL or a VQModel that this network can be.</exception>
    public static AutoencoderConfigFile Read(string path, byte[] contents)
    {
        var file = new JsonSettings(path, contents);
        bool isQuantized = file.Text("_class_name", "") == VqClass;
        if (!isQuantized)
            file.Require("_class_name", KlClass, orAbsent: false, $"Only an {KlClass} or a {VqClass} can be taken over");
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
        if (isQuantized)
        {
            file.Require("norm_type", "group", orAbsent: true, "This network has group norms");
            file.Require("lookup_from_codebook", false, "This network decodes what the quantizer gives");
            return new AutoencoderConfigFile(shape, ScalingFactor: file.Number("scaling_factor", DefaultScalingFactor),
                Codes: new Codebook(file.OptionalInt("num_vq_embeddings") ?? DefaultCodes, file.OptionalInt("vq_embed_dim") ?? shape.LatentChannels));
        }
        return new AutoencoderConfigFile(shape, IsOn("use_quant_conv"), IsOn("use_post_quant_conv"), file.Number("scaling_factor", DefaultScalingFactor),
            file.Has("shift_factor") ? file.AnyNumber("shift_factor") : 0);
    }

    public byte[] Write()
    {
        int levels = Shape.BlockChannels.Count;
        var json = new JsonObject
        {
            ["_class_name"] = ClassName,
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
            ["up_block_types"] = new JsonArray([.. Enumerable.Repeat(UpBlock, levels).Select(name => (JsonNode)name)]),
        };
        if (Codes is { } codes)
        {
            json["norm_type"] = "group";
            json["num_vq_embeddings"] = codes.Count;
            json["vq_embed_dim"] = codes.Size;
        }
        else
        {
            json["shift_factor"] = ShiftFactor == 0 ? null : ShiftFactor;
            json["use_post_quant_conv"] = ConvolvesLatents;
            json["use_quant_conv"] = ConvolvesMoments;
        }
        return JsonSerializer.SerializeToUtf8Bytes(json, Json);
    }

    public AutoencoderNetwork CreateNetwork() => Codes is { } codes
        ? new VqAutoencoderNetwork(Shape, codes.Count, codes.Size) : new KlAutoencoderNetwork(Shape, ConvolvesMoments, ConvolvesLatents);
}

/// <param name="Count">Vectors in the codebook.</param>
/// <param name="Size">Values of each.</param>
internal sealed record Codebook(int Count, int Size);
