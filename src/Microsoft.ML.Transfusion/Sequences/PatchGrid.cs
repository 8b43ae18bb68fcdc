// A continuous part as rows of patch vectors and back. Patches run in raster order: left to right, top to bottom (Transfusion §3).
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Sequences;

/// <summary>Latents of [C, H, W] and the patches they are cut into; a vector is one row high.</summary>
internal sealed record PatchGrid(int Channels, int Height, int Width, int PatchHeight, int PatchWidth)
{
    /// <summary>Patches in one image.</summary>
    public int PatchCount => Rows * Columns;

    /// <summary>Values in one patch, C·p·p.</summary>
    public int PatchVectorSize => Channels * PatchHeight * PatchWidth;

    /// <summary>[C, H, W].</summary>
    public long[] LatentShape => [Channels, Height, Width];

    private int Rows => Height / PatchHeight;

    private int Columns => Width / PatchWidth;

    /// <summary>[N, C, H, W] → [N, P, C·p·p].</summary>
    public Tensor Patchify(Tensor images)
    {
        using var scope = NewDisposeScope();
        return images.reshape(-1, Channels, Rows, PatchHeight, Columns, PatchWidth)
            .permute(0, 2, 4, 1, 3, 5)                                          // [N, rows, columns, C, p, p]
            .reshape(-1, PatchCount, PatchVectorSize)
            .MoveToOuterDisposeScope();
    }

    /// <summary>[N, P, C·p·p] → [N, C, H, W]; the inverse of <see cref="Patchify"/>.</summary>
    public Tensor Unpatchify(Tensor patches)
    {
        using var scope = NewDisposeScope();
        return patches.reshape(-1, Rows, Columns, Channels, PatchHeight, PatchWidth)
            .permute(0, 3, 1, 4, 2, 5)                                          // [N, C, rows, p, columns, p]
            .reshape(-1, Channels, Height, Width)
            .MoveToOuterDisposeScope();
    }

    /// <summary>Latents [C, H, W] → the values of their patches one after the other.</summary>
    public float[] PatchValues(Tensor latents)
    {
        using var scope = NewDisposeScope();
        return Patchify(latents.unsqueeze(0)).contiguous().data<float>().ToArray();
    }
}
