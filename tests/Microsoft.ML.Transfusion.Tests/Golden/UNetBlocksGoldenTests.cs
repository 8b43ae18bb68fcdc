// The blocks of U-Nets and autoencoders against diffusers: outputs, gradients of inputs, and norms of the weights' gradients.
using System.Text.Json;
using Microsoft.ML.Transfusion.Modeling;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public sealed class UNetBlocksGoldenTests : IDisposable
{
    private const double Tolerance = 2e-5;
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [SkippableTheory]
    [InlineData("resnet_block")]
    [InlineData(GoldenFile.Second + "resnet_block")]
    [InlineData("resnet_block_scale_shift")]
    [InlineData(GoldenFile.Second + "resnet_block_scale_shift")]
    [InlineData("resnet_block_notemb")]
    [InlineData(GoldenFile.Second + "resnet_block_notemb")]
    public void Residual_block(string name)
    {
        GoldenFile golden = GoldenFile.Open(name);
        int? timeSize = golden.Config.GetProperty("temb_channels") is { ValueKind: JsonValueKind.Number } size ? size.GetInt32() : null;
        bool scales = golden.Config.TryGetProperty("time_embedding_norm", out JsonElement norm) && norm.GetString() == "scale_shift";
        var block = new ResnetBlock(Int(golden, "in_channels"), Int(golden, "out_channels"), timeSize, Int(golden, "groups"),
            golden.Config.GetProperty("eps").GetDouble(), scales ? TimestepNorm.ScaleShift : TimestepNorm.Add);
        Check(golden, block, inputs => [block.Forward(inputs["x"], inputs.GetValueOrDefault("temb"))]);
    }

    [SkippableTheory]
    [InlineData("")]
    [InlineData(GoldenFile.Second)]
    public void Block_of_the_way_down(string set)
    {
        GoldenFile golden = GoldenFile.Open(set + "down_block");
        var block = new DownBlock(Settings(golden), Int(golden, "in_channels"), Int(golden, "out_channels"), Int(golden, "num_layers"), downsamples: true);
        Check(golden, block, inputs => Outputs(block.Forward(inputs["x"], inputs["temb"])));
    }

    [SkippableTheory]
    [InlineData("")]
    [InlineData(GoldenFile.Second)]
    public void Block_of_the_way_down_with_attention(string set)
    {
        GoldenFile golden = GoldenFile.Open(set + "attn_down_block");
        var block = new DownBlock(Settings(golden), Int(golden, "in_channels"), Int(golden, "out_channels"), Int(golden, "num_layers"), downsamples: true, attends: true);
        Check(golden, block, inputs => Outputs(block.Forward(inputs["x"], inputs["temb"])));
    }

    [SkippableTheory]
    [InlineData("")]
    [InlineData(GoldenFile.Second)]
    public void Block_in_the_middle(string set)
    {
        GoldenFile golden = GoldenFile.Open(set + "mid_block");
        var block = new MidBlock(Settings(golden), Int(golden, "in_channels"));
        Check(golden, block, inputs => [block.Forward(inputs["x"], inputs["temb"])]);
    }

    [SkippableTheory]
    [InlineData("")]
    [InlineData(GoldenFile.Second)]
    public void Block_of_the_way_up(string set)
    {
        GoldenFile golden = GoldenFile.Open(set + "up_block");
        int last = Int(golden, "in_channels"), output = Int(golden, "out_channels"), layers = Int(golden, "num_layers");
        int[] skips = [.. Enumerable.Range(0, layers).Select(layer => layer == layers - 1 ? last : output)];
        var block = new UpBlock(Settings(golden), Int(golden, "prev_output_channel"), skips, output, upsamples: true);
        Check(golden, block, inputs => [block.Forward(inputs["x"], new Stack<Tensor>([inputs["skip0"], inputs["skip1"]]), inputs["temb"])]);
    }

    [SkippableTheory]
    [InlineData("")]
    [InlineData(GoldenFile.Second)]
    public void Halving_with_zeros_at_the_right_and_the_bottom(string set)
    {
        GoldenFile golden = GoldenFile.Open(set + "downsample_asym");
        var block = new Downsample(Int(golden, "channels"), isAsymmetric: true);
        Check(golden, block, inputs => [block.forward(inputs["x"])]);
    }

    [SkippableTheory]
    [InlineData("")]
    [InlineData(GoldenFile.Second)]
    public void Doubling(string set)
    {
        GoldenFile golden = GoldenFile.Open(set + "upsample");
        var block = new Microsoft.ML.Transfusion.Modeling.Upsample(Int(golden, "channels"));
        Check(golden, block, inputs => [block.forward(inputs["x"])]);
    }

    [SkippableTheory]
    [InlineData("")]
    [InlineData(GoldenFile.Second)]
    public void Blocks_put_together_are_a_whole_network(string set)
    {
        GoldenFile golden = GoldenFile.Open(set + "unet2d_weights"), io = GoldenFile.Open(set + "unet2d_io");
        using var network = new WholeUNet(golden.Config);
        Load(network, golden.Tensors, prefix: "");
        io.Check("out", network.Forward(io["x"], io["t"]), Tolerance);
    }

    private static void Check(GoldenFile golden, nn.Module block, Func<Dictionary<string, Tensor>, IReadOnlyList<Tensor>> forward)
    {
        Load(block, golden.Tensors, prefix: "w.");
        Dictionary<string, Tensor> inputs = golden.Tensors.Where(pair => pair.Key.StartsWith("in.", StringComparison.Ordinal))
            .ToDictionary(pair => pair.Key[3..], pair => pair.Value.clone().requires_grad_());
        IReadOnlyList<Tensor> outputs = forward(inputs);
        for (int at = 0; golden.Tensors.ContainsKey($"out.{at}"); at++)
            golden.Check($"out.{at}", outputs[at], Tolerance);
        (outputs[0] * golden["upstream"]).sum().backward();
        foreach ((string name, Tensor input) in inputs)
            golden.Check($"grad_in.{name}", input.grad!, Tolerance);
        foreach ((string name, Parameter parameter) in block.named_parameters())
        {
            double expected = golden[$"gradnorm.{name}"].ToSingle();             // of the keys' biases it is nothing but rounding
            golden.Check("norms of the weights' gradients", expected, parameter.grad!.norm().ToSingle(), Tolerance * Math.Max(1, expected));
        }
    }

    internal static void Load(nn.Module block, IReadOnlyDictionary<string, Tensor> weights, string prefix)
    {
        using var noGradient = no_grad();
        Dictionary<string, Tensor> own = block.state_dict();
        Assert.Equal(weights.Keys.Where(key => key.StartsWith(prefix, StringComparison.Ordinal)).Select(key => key[prefix.Length..]).Order(), own.Keys.Order());
        foreach ((string name, Tensor weight) in own)
            weight.copy_(weights[prefix + name]);
    }

    private static IReadOnlyList<Tensor> Outputs((Tensor Output, IReadOnlyList<Tensor> Skips) result) => [result.Output, .. result.Skips];

    private static UNetBlockSettings Settings(GoldenFile golden) => new(Int(golden, "temb_channels"), Int(golden, "resnet_groups"),
        golden.Config.TryGetProperty("attention_head_dim", out JsonElement size) ? size.GetInt32() : 8,
        golden.Config.TryGetProperty("resnet_eps", out JsonElement epsilon) ? epsilon.GetDouble() : 1e-5);

    private static int Int(GoldenFile golden, string name) => golden.Config.GetProperty(name).GetInt32();

    /// <summary>diffusers' UNet2DModel, from our blocks.</summary>
    private sealed class WholeUNet : nn.Module
    {
        [ComponentName(Name = "conv_in")]
        private readonly ImageConvolution _input;
        [ComponentName(Name = "time_embedding")]
        private readonly TimestepEmbedding _time;
        [ComponentName(Name = "down_blocks")]
        private readonly ModuleList<DownBlock> _down;
        [ComponentName(Name = "mid_block")]
        private readonly MidBlock _middle;
        [ComponentName(Name = "up_blocks")]
        private readonly ModuleList<UpBlock> _up;
        [ComponentName(Name = "conv_norm_out")]
        private readonly GroupNorm _norm;
        [ComponentName(Name = "conv_out")]
        private readonly ImageConvolution _output;

        public WholeUNet(JsonElement config) : base(nameof(WholeUNet))
        {
            int[] channels = [.. config.GetProperty("block_out_channels").EnumerateArray().Select(element => element.GetInt32())];
            int first = channels[0], groups = config.GetProperty("norm_num_groups").GetInt32();
            var settings = new UNetBlockSettings(4 * first, groups, config.GetProperty("attention_head_dim").GetInt32());
            bool[] attends = [.. config.GetProperty("down_block_types").EnumerateArray().Select(element => element.GetString() == "AttnDownBlock2D")];
            _input = new ImageConvolution(config.GetProperty("in_channels").GetInt32(), first, 3, padding: 1);
            _time = new TimestepEmbedding(4 * first, 4 * first, first);
            _down = nn.ModuleList([.. channels.Select((count, at) => new DownBlock(settings, at == 0 ? first : channels[at - 1], count, 1, downsamples: at < channels.Length - 1, attends[at]))]);
            _middle = new MidBlock(settings, channels[^1]);
            _up = nn.ModuleList([.. channels.Select((_, at) => channels.Length - 1 - at).Select(level => new UpBlock(settings, channels[Math.Min(level + 1, channels.Length - 1)],
                [channels[level], channels[Math.Max(level - 1, 0)]], channels[level], upsamples: level > 0, attends[level]))]);
            _norm = nn.GroupNorm(groups, first, 1e-5);
            _output = new ImageConvolution(first, config.GetProperty("out_channels").GetInt32(), 3, padding: 1);
            RegisterComponents();
        }

        public Tensor Forward(Tensor x, Tensor timesteps)
        {
            Tensor time = _time.forward(timesteps);
            x = _input.forward(x);
            var skips = new Stack<Tensor>([x]);
            foreach (DownBlock block in _down)
            {
                (x, IReadOnlyList<Tensor> made) = block.Forward(x, time);
                foreach (Tensor skip in made)
                    skips.Push(skip);
            }
            x = _middle.Forward(x, time);
            foreach (UpBlock block in _up)
                x = block.Forward(x, skips, time);
            return _output.forward(nn.functional.silu(_norm.forward(x)));
        }
    }
}
