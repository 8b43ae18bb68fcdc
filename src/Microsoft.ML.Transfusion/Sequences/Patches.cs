// Images as rows of patch vectors and back. Patches run in raster order: left to right, top to bottom (Transfusion §3).
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Sequences;

internal static class Patches
{
    /// <summary>[N, C, H, W] → [N, P, C·p·p] with P = (H / p) · (W / p).</summary>
    public static Tensor Patchify(Tensor images, int patchSize)
    {
        using var scope = NewDisposeScope();
        long count = images.shape[0], channels = images.shape[1], rows = images.shape[2] / patchSize, columns = images.shape[3] / patchSize;
        return images.reshape(count, channels, rows, patchSize, columns, patchSize)
            .permute(0, 2, 4, 1, 3, 5)                                          // [N, rows, columns, C, p, p]
            .reshape(count, rows * columns, channels * patchSize * patchSize)
            .MoveToOuterDisposeScope();
    }

    /// <summary>[N, P, C·p·p] → [N, C, H, W]; the inverse of <see cref="Patchify"/>.</summary>
    public static Tensor Unpatchify(Tensor patches, int patchSize, int height, int width)
    {
        using var scope = NewDisposeScope();
        long count = patches.shape[0], channels = patches.shape[2] / (patchSize * patchSize);
        return patches.reshape(count, height / patchSize, width / patchSize, channels, patchSize, patchSize)
            .permute(0, 3, 1, 4, 2, 5)                                          // [N, C, rows, p, columns, p]
            .reshape(count, channels, height, width)
            .MoveToOuterDisposeScope();
    }
}
