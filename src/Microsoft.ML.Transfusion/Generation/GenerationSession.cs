// Sequences in the making: rows of one layout that grow together by text tokens and whole images, with everything so far in a cache.
using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static Microsoft.ML.Transfusion.Torch.Arithmetic;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Generation;

/// <summary>The primitive moves of generation (Transfusion §3, inference): prefill, next token, denoise an image, keep an image.</summary>
internal sealed class GenerationSession : IDisposable
{
    private readonly TransfusionNetwork _network;
    private readonly ImageCodecConfig _image;
    private readonly KeyValueCache _cache;

    public GenerationSession(TransfusionNetwork network, ImageCodecConfig image, int rows, long capacity)
    {
        (_network, _image, Rows) = (network, image, rows);
        _cache = new KeyValueCache(network.Config, rows, (int)Math.Min(capacity, network.Config.MaxSequenceLength), network.Dtype, network.Device);
    }

    public int Rows { get; }

    public int Length => _cache.Length;

    /// <summary>Reads prompts of one layout; images in them are clean. Returns the last position's logits [B, V].</summary>
    public Tensor Prefill(SequenceBatch prompts)
    {
        using var scope = NewDisposeScope();
        Tensor embedded = _network.EmbedTokens(prompts.TokenIds.to(_network.Device));
        if (prompts.Images is not null)
            embedded = cat([embedded, EmbedClean(prompts.Images.to(_network.Device)).flatten(0, 1)], 0);
        Tensor positions = embedded.index_select(0, prompts.Order.to(_network.Device)).view(prompts.Rows, prompts.Mask.Length, -1);
        return Extend(positions, prompts.Mask).MoveToOuterDisposeScope();
    }

    /// <summary>Appends one token to every row: ids [B] → the next logits [B, V].</summary>
    public Tensor Append(Tensor tokenIds)
    {
        using var scope = NewDisposeScope();
        return Extend(_network.EmbedTokens(tokenIds.to(_network.Device)).unsqueeze(1), mask: null).MoveToOuterDisposeScope();
    }

    /// <summary>The diffusion prediction for noisy images [B, C, H, W] that stand next in every row; the rows do not grow.</summary>
    public Tensor Denoise(Tensor noisy, double timestep)
    {
        using var scope = NewDisposeScope();
        Tensor timesteps = Full([noisy.shape[0]], timestep, ScalarType.Float32, _network.Device);
        Tensor embedded = _network.EmbedPatches(Patches.Patchify(noisy, _image.PatchSize), timesteps);
        Tensor prediction = _network.PredictPatches(_network.Forward(embedded, mask: null, _cache));
        return Patches.Unpatchify(prediction, _image.PatchSize, _image.ImageHeight, _image.ImageWidth).MoveToOuterDisposeScope();
    }

    /// <summary>Appends finished images [B, C, H, W] as clean patches, as training saw images that text follows.</summary>
    public void AppendImages(Tensor images)
    {
        using var scope = NewDisposeScope();
        Extend(EmbedClean(images), mask: null);
    }

    public void Dispose() => _cache.Dispose();

    private Tensor EmbedClean(Tensor images) =>
        _network.EmbedPatches(Patches.Patchify(images, _image.PatchSize), zeros(images.shape[0], ScalarType.Int64, _network.Device));

    private Tensor Extend(Tensor positions, TransfusionMask? mask)
    {
        Tensor hidden = _network.Forward(positions, mask, _cache);
        _cache.Advance((int)positions.shape[1]);
        return _network.Logits(hidden.select(1, positions.shape[1] - 1));
    }
}
