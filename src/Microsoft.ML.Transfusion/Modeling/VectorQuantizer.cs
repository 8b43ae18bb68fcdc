// The nearest of a codebook's vectors in place of each vector, with the gradient of the vector itself (van den Oord et al. 2017).
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <summary>What came of quantizing latents.</summary>
/// <param name="Quantized">Codes in place of latents, [N, C, H, W]; its gradient is that of the latents.</param>
/// <param name="Indices">Which codes, row after row of each image: int64 [N · H · W].</param>
/// <param name="Loss">Codes towards latents, and latents towards codes: a scalar.</param>
internal readonly record struct QuantizedLatents(Tensor Quantized, Tensor Indices, Tensor Loss);

internal sealed class VectorQuantizer : nn.Module
{
    [ComponentName(Name = "embedding")]
    private readonly Embedding _codebook;
    private readonly double _commitment;
    private readonly bool _weighsCodebook;

    /// <param name="commitment">β: how much latents are drawn towards codes.</param>
    /// <param name="weighsCodebook">Whether β weighs the codebook's own loss instead, as taming-transformers once had it and calls "legacy".</param>
    public VectorQuantizer(int codes, int size, double commitment = 0.25, bool weighsCodebook = false) : base(nameof(VectorQuantizer))
    {
        (_commitment, _weighsCodebook) = (commitment, weighsCodebook);
        _codebook = nn.Embedding(codes, size);
        RegisterComponents();
    }

    /// <summary>[K, C].</summary>
    public Tensor Codebook => _codebook.weight!;

    /// <summary>[N, C, H, W], of the codes' size C.</summary>
    public QuantizedLatents Forward(Tensor latents)
    {
        using var scope = NewDisposeScope();
        Tensor vectors = latents.permute(0, 2, 3, 1).contiguous(), flat = vectors.view(-1, vectors.shape[3]);
        Tensor indices;
        using (no_grad())
            indices = Distances(flat).argmin(1);
        Tensor codes = _codebook.forward(indices).view(vectors.shape);
        Tensor commitment = vectors.Plus(codes.detach(), -1).Squared().mean(), codebook = codes.Plus(vectors.detach(), -1).Squared().mean();
        Tensor loss = _weighsCodebook ? commitment.Plus(codebook, _commitment) : codebook.Plus(commitment, _commitment);
        Tensor quantized = vectors.Plus(codes.Plus(vectors, -1).detach());                                 // straight through
        return new QuantizedLatents(quantized.permute(0, 3, 1, 2).contiguous().MoveToOuterDisposeScope(), indices.MoveToOuterDisposeScope(), loss.MoveToOuterDisposeScope());
    }

    /// <summary>Codes of indices [N · H · W] as latents [N, C, H, W].</summary>
    public Tensor Lookup(Tensor indices, long height, long width)
    {
        using var scope = NewDisposeScope();
        return _codebook.forward(indices).view(-1, height, width, Codebook.shape[1]).permute(0, 3, 1, 2).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>Squared distances of vectors [M, C] from all codes, [M, K].</summary>
    private Tensor Distances(Tensor vectors)
    {
        Tensor codes = Codebook;
        return vectors.Squared().sum(1, keepdim: true).Plus(codes.Squared().sum(1)).Plus(vectors.matmul(codes.t()), -2);
    }
}
