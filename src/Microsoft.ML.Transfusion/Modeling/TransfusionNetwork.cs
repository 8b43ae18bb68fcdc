// The Transfusion network (Zhou et al. 2024, §3): one Llama-style transformer over text tokens and image patches, with a language head for the
// first; patches come in and go out by one linear layer each, and by the two halves of a U-Net where there is one. It knows positions and shapes, and nothing of
// diffusion, losses or words.
using System.Diagnostics.CodeAnalysis;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed class TransfusionNetwork : nn.Module
{
    [ComponentName(Name = "embed_tokens")]
    private readonly Projection _tokens;
    [ComponentName(Name = "embed_patches")]
    private readonly PatchEmbedding _patches;
    [ComponentName(Name = "unet_down")]
    private readonly UNetPatchEncoder? _down;               // beside the embedding
    [ComponentName(Name = "layers")]
    private readonly ModuleList<TransformerBlock> _layers;
    [ComponentName(Name = "norm")]
    private readonly RmsNorm _norm;
    [ComponentName(Name = "lm_head")]
    private readonly Projection? _languageHead;             // null: the token table does both
    [ComponentName(Name = "patch_head")]
    private readonly Linear _patchHead;
    [ComponentName(Name = "unet_up")]
    private readonly UNetPatchDecoder? _up;                 // beside the head
    private readonly int _vocabularySize;
    private Tensor? _rotaryTable;

    /// <param name="vocabularySize">Token ids, special tokens included.</param>
    /// <param name="patchVectorSize">Values in one patch: C·p·p.</param>
    /// <param name="patchCount">Patches in one image.</param>
    /// <param name="unet">Null: patches come in and go out by linear layers alone.</param>
    public TransfusionNetwork(TransformerConfig config, int vocabularySize, int patchVectorSize, int patchCount, UNetPatchShape? unet = null) : base(nameof(TransfusionNetwork))
    {
        (Config, UNet, PatchVectorSize, PatchCount) = (config, unet, patchVectorSize, patchCount);
        _vocabularySize = vocabularySize;
        _tokens = new Projection(config.HiddenSize, vocabularySize);
        (_patches, _patchHead) = (new PatchEmbedding(config, patchVectorSize, patchCount), nn.Linear(config.HiddenSize, patchVectorSize));
        if (unet is not null)
            (_down, _up) = (new UNetPatchEncoder(unet), new UNetPatchDecoder(unet));
        _layers = new ModuleList<TransformerBlock>([.. Enumerable.Range(0, config.NumberOfLayers).Select(_ => new TransformerBlock(config))]);
        _norm = new RmsNorm(config.HiddenSize, config.NormEpsilon);
        if (!config.TiedEmbeddings)
            _languageHead = new Projection(config.HiddenSize, vocabularySize);
        RegisterComponents();
    }

    public TransformerConfig Config { get; }

    /// <summary>The U-Net around the transformer; null: linear layers alone.</summary>
    public UNetPatchShape? UNet { get; }

    /// <summary>Whether a training pass keeps only the inputs of blocks and computes the rest again in the backward pass: far less memory, a third more products.</summary>
    public bool RecomputesActivations { get; set; }

    /// <summary>A network of the same shape and format with weights of its own, for the CPU.</summary>
    public TransfusionNetwork CreateTwin()
    {
        var twin = new TransfusionNetwork(Config, _vocabularySize, PatchVectorSize, PatchCount, UNet) { RecomputesActivations = RecomputesActivations };
        twin.to(Dtype);
        return twin;
    }

    /// <summary>What patches pass before and after the blocks, alone: 32-bit copies on the CPU, each at the start of memory of its own, since products give other bits elsewhere.</summary>
    public TransfusionNetwork CopyPatchPath()
    {
        using var noGradient = no_grad();
        var copy = new TransfusionNetwork(Config with { NumberOfLayers = 0, TiedEmbeddings = true }, 1, PatchVectorSize, PatchCount, UNet);
        Dictionary<string, Tensor> own = state_dict();
        foreach ((string name, Tensor weight) in copy.state_dict())
        {
            if (name != "embed_tokens.weight")
                weight.copy_(own[name]);
            weight.DetachFromDisposeScope();
        }
        return copy;
    }

    /// <summary>Values in one patch, C·p·p.</summary>
    public int PatchVectorSize { get; }

    /// <summary>Patches in one image.</summary>
    public int PatchCount { get; }

    public ScalarType Dtype => _tokens.Weight.dtype;

    public Device Device => _tokens.Weight.device;

    /// <summary>Token ids [N] → [N, D].</summary>
    public Tensor EmbedTokens(Tensor tokenIds) => _tokens.Weight.index_select(0, tokenIds);

    /// <summary>Patches [N, P, C·p·p] at timesteps [N] → [N, P, D].</summary>
    public Tensor EmbedPatches(Tensor patches, Tensor timesteps) => _patches.Forward(patches, timesteps);

    /// <summary>Noisy images [N, C, H, W] at timesteps [N] → [N, P, D], and what <see cref="PredictImages"/> wants of a U-Net's way down.</summary>
    public (Tensor Patches, UNetPass? Pass) EmbedImages(Tensor images, Tensor timesteps, PatchGrid grid)
    {
        Tensor patches = EmbedPatches(grid.Patchify(images), timesteps);
        if (_down is null)
            return (patches, null);
        (Tensor seen, UNetPass pass) = _down.Forward(images, timesteps);
        return (patches.Plus(seen), pass);
    }

    /// <summary>What a timestep adds to every patch vector, [C·p·p].</summary>
    public float[] TimeVector(double timestep)
    {
        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        return _patches.TimeVectors(Arithmetic.Full([1], timestep, ScalarType.Float32, Device)).to(ScalarType.Float32).cpu().data<float>().ToArray();
    }

    /// <summary>Embedded positions [B, T, D] through all blocks → [B, T, D], before the final norm.</summary>
    /// <param name="mask">The attention pattern; null: every position sees all others.</param>
    /// <param name="denseMask">Whether attention uses the mask as a tensor; null: whichever is faster here.</param>
    public Tensor Forward(Tensor hidden, TransfusionMask? mask, bool? denseMask = null)
    {
        using var scope = NewDisposeScope();
        bool fused = mask is not null && denseMask is null && is_grad_enabled() && FusedAttention.IsFaster(hidden.dtype, hidden.device);
        bool dense = mask is not null && !fused && (denseMask ?? PrefersDenseMask(mask));
        Tensor rotary = Rotary((int)hidden.shape[1]);
        var context = new AttentionContext(rotary, mask, dense ? mask!.ToAdditive(hidden.dtype, hidden.device) : null)
        {
            Fused = fused ? new AttentionLayout(Config.NumberOfHeads, Config.KeyValueHeads, Config.HeadSize, mask!.VisibleCounts(), HeadRows.Turns(rotary)) : null,
        };
        for (int layer = 0; layer < _layers.Count; layer++)
            hidden = RecomputesActivations && hidden.requires_grad && is_grad_enabled()
                ? RecomputedBlock.Apply(_layers[layer], hidden, context, layer)
                : _layers[layer].Forward(hidden, context, layer);
        return hidden.MoveToOuterDisposeScope();
    }

    /// <summary>Embedded positions of several rows one after the other [N, D] through all blocks → [N, D]; their keys and values join the rows' caches, which the caller advances.</summary>
    public Tensor ForwardRows(Tensor hidden, IReadOnlyList<TorchRow> rows)
    {
        using var scope = NewDisposeScope();
        MakeRotaryTable();
        Tensor positions = cat([.. rows.Select(row => _rotaryTable.narrow(0, row.Cache.Length, row.Count))], 0);
        var context = new AttentionContext(positions, Mask: null, AdditiveMask: null) { Rows = rows };
        hidden = hidden.unsqueeze(0);
        for (int layer = 0; layer < _layers.Count; layer++)
            hidden = _layers[layer].Forward(hidden, context, layer);
        return hidden.squeeze(0).MoveToOuterDisposeScope();
    }

    /// <summary>Hidden states [N, D] → language logits [N, V], 32-bit.</summary>
    public Tensor Logits(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        return (_languageHead ?? _tokens).forward(_norm.forward(hidden)).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>Hidden states of patches [N, P, D] → the diffusion prediction [N, P, C·p·p], 32-bit.</summary>
    public Tensor PredictPatches(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        return _patchHead.forward(_norm.forward(hidden)).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>Hidden states of images' patches [N, P, D] → the diffusion prediction [N, C, H, W], 32-bit.</summary>
    /// <param name="pass">Of <see cref="EmbedImages"/>.</param>
    public Tensor PredictImages(Tensor hidden, UNetPass? pass, PatchGrid grid)
    {
        using var scope = NewDisposeScope();
        return PredictNormalized(_norm.forward(hidden), pass, grid).MoveToOuterDisposeScope();
    }

    /// <summary>The same of hidden states that have passed the final norm.</summary>
    public Tensor PredictNormalized(Tensor hidden, UNetPass? pass, PatchGrid grid)
    {
        using var scope = NewDisposeScope();
        Tensor prediction = grid.Unpatchify(_patchHead.forward(hidden));
        if (pass is not null)
            prediction = prediction.Plus(_up!.Forward(hidden, pass));
        return prediction.to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Fills the weights: normal with σ = √(2 / 5D) (0.02 at D = 1000), divided by √(2 · layers) where a product ends in the residual stream;
    /// zeros in what makes the prediction, so that the first one is zero; ones and zeros in norms and biases; a U-Net's convolutions as PyTorch has them.
    /// </summary>
    public void Initialize(Generator generator)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        double spread = Math.Sqrt(2.0 / (5.0 * Config.HiddenSize));
        foreach (nn.Module part in ((nn.Module?[])[_down, _up]).OfType<nn.Module>())
            ConvolutionalWeights.Initialize(part, generator);
        foreach ((string name, Parameter parameter) in named_parameters())
        {
            bool endsInResidual = name.EndsWith("o_proj.weight", StringComparison.Ordinal) || name.EndsWith("down_proj.weight", StringComparison.Ordinal);
            if (name.Contains("norm", StringComparison.Ordinal) && !name.EndsWith("bias", StringComparison.Ordinal))
                parameter.FillInPlace(1);
            else if (name.StartsWith("patch_head", StringComparison.Ordinal) || name.StartsWith("unet_up.conv_out", StringComparison.Ordinal) || name.EndsWith("bias", StringComparison.Ordinal))
                parameter.zero_();
            else if (name.StartsWith("unet_", StringComparison.Ordinal))
                continue;
            else
                parameter.normal_(0, endsInResidual ? spread / Math.Sqrt(2 * Config.NumberOfLayers) : spread, generator);
        }
    }

    /// <summary>Copies weights in by name.</summary>
    /// <exception cref="FormatException">A weight is missing, misshapen or left over.</exception>
    public void Load(IReadOnlyDictionary<string, Tensor> weights)
    {
        using var noGradient = no_grad();
        Dictionary<string, Tensor> own = state_dict();
        foreach ((string name, Tensor parameter) in own)
        {
            if (!weights.TryGetValue(name, out Tensor? weight))
                throw new FormatException($"The weights lack '{name}' [{string.Join(", ", parameter.shape)}].");
            if (!weight.shape.SequenceEqual(parameter.shape))
                throw new FormatException($"Weight '{name}' is [{string.Join(", ", weight.shape)}]; this configuration needs [{string.Join(", ", parameter.shape)}].");
            parameter.copy_(weight);
        }
        if (weights.Keys.FirstOrDefault(name => !own.ContainsKey(name)) is { } unknown)
            throw new FormatException($"The weights hold '{unknown}', which this configuration does not have.");
    }

    // Short sequences lose more to many small kernels than they gain from skipping masked products; the manual bfloat16 path needs the tensor.
    internal bool PrefersDenseMask(TransfusionMask mask) =>
        !mask.IsUniform || (Device.type == DeviceType.CPU && (mask.Length < 256 || (Dtype == ScalarType.BFloat16 && is_grad_enabled())));

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _rotaryTable?.Dispose();
        base.Dispose(disposing);
    }

    private Tensor Rotary(int length)
    {
        if (length > Config.MaxSequenceLength)
            throw new InvalidOperationException($"The sequence has {length} positions; {nameof(TransformerConfig.MaxSequenceLength)} is {Config.MaxSequenceLength}.");
        MakeRotaryTable();
        return _rotaryTable.narrow(0, 0, length);
    }

    /// <summary>Makes the table of rotary positions, which is otherwise made when it is first needed.</summary>
    [MemberNotNull(nameof(_rotaryTable))]
    public void MakeRotaryTable()
    {
        using (inference_mode(false))                       // a table made in inference mode could never take part in training
            _rotaryTable ??= RotaryEmbedding.Table(Config.MaxSequenceLength, Config.HeadSize, Config.RopeTheta, Device, Config.RopeScaling).DetachFromDisposeScope();
    }
}
