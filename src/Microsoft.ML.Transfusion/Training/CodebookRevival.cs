// Codes that no latent chose for a while are moved to where latents are (Dhariwal et al. 2020): a code that is never chosen never learns.
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

/// <param name="codebook">[K, C], changed in place.</param>
internal sealed class CodebookRevival(Tensor codebook, Generator generator) : IDisposable
{
    private const int Patience = 50;                        // steps without being chosen

    private readonly Tensor _chosen = zeros(codebook.shape[0], ScalarType.Bool).DetachFromDisposeScope();
    private int _steps;

    /// <summary>Share of the codes that were chosen in the last finished period.</summary>
    public double Usage { get; private set; }

    /// <summary>Takes note of a batch's codes, and at the end of a period moves the others to latents of this batch.</summary>
    /// <param name="latents">Before they were quantized, [N, C, H, W].</param>
    /// <param name="indices">Codes of them, [N · H · W].</param>
    /// <param name="revives">Whether codes may move; towards the end of training they stay, so that all else can settle.</param>
    public void Observe(Tensor latents, Tensor indices, bool revives)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        _chosen.index_copy_(0, indices.cpu(), ones(indices.shape[0], ScalarType.Bool));
        if (++_steps % Patience != 0)
            return;
        Usage = _chosen.to(ScalarType.Float32).mean().AsDouble();
        Tensor dead = _chosen.logical_not().nonzero().flatten();
        if (revives && dead.shape[0] > 0)
        {
            Tensor vectors = latents.detach().permute(0, 2, 3, 1).reshape(-1, latents.shape[1]);
            Tensor picks = randint(vectors.shape[0], [dead.shape[0]], ScalarType.Int64, generator: generator);
            codebook.index_copy_(0, dead.to(codebook.device), vectors.index_select(0, picks.to(vectors.device)));
        }
        _chosen.zero_();
    }

    public void Dispose() => _chosen.Dispose();
}
