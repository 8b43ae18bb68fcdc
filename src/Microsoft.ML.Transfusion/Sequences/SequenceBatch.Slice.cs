// Some rows of a batch as a batch of their own.
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Sequences;

internal sealed partial class SequenceBatch
{
    /// <summary>Neighbouring rows; tensors are copies.</summary>
    public SequenceBatch Slice(int firstRow, int rows)
    {
        using var scope = NewDisposeScope();
        int length = Mask.Length, patchCount = MaxTimesteps.Length == 0 ? 0 : (int)(ImagePositions.shape[0] / MaxTimesteps.Length);
        int codeCount = MaxTimesteps.Length == 0 ? 0 : (int)(Codes.shape[0] / MaxTimesteps.Length);
        int firstImage = RowOfImage.Count(row => row < firstRow), images = RowOfImage.Count(row => row >= firstRow && row < firstRow + rows);
        int firstTarget = TargetsOfRow[..firstRow].Sum(), targets = TargetsOfRow[firstRow..(firstRow + rows)].Sum();
        // A position is a token or a patch, so the patches before a row say how many tokens are.
        int firstToken = firstRow * length - firstImage * patchCount, tokens = rows * length - images * patchCount;
        Tensor order = Order.narrow(0, firstRow * length, rows * length);
        Tensor isToken = order.IsBelow(TokenIds.shape[0]);
        Tensor ofPatch = order.Minus(TokenIds.shape[0] + firstImage * patchCount - tokens);
        static Tensor Kept(Tensor tensor) => tensor.clone().DetachFromDisposeScope();
        return new SequenceBatch(
            Mask.Slice(firstRow, rows), rows, Kept(TokenIds.narrow(0, firstToken, tokens)), where(isToken, order.Minus((long)firstToken), ofPatch).DetachFromDisposeScope(),
            images == 0 || Images is null ? null : Kept(Images.narrow(0, firstImage, images)),
            Kept(ImagePositions.narrow(0, firstImage * patchCount, images * patchCount).Minus((long)firstRow * length)),
            Kept(TargetPositions.narrow(0, firstTarget, targets).Minus((long)firstRow * length)), Kept(Targets.narrow(0, firstTarget, targets)),
            Kept(CodePositions.narrow(0, firstImage * codeCount, images * codeCount).Minus((long)firstRow * length)), Kept(Codes.narrow(0, firstImage * codeCount, images * codeCount)),
            MaxTimesteps[firstImage..(firstImage + images)],
            [.. RowOfImage[firstImage..(firstImage + images)].Select(row => row - firstRow)], TargetsOfRow[firstRow..(firstRow + rows)], TargetWeights[firstTarget..(firstTarget + targets)]);
    }
}
