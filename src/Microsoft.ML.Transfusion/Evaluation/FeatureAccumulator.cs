// Mean and covariance of feature vectors in one pass: blocks of rows are merged by the update of Chan et al. (1979), in 64-bit numbers, so
// that 30,000 × 2,048 features need room for 2,048 × 2,048 numbers only and large means cost no digits.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Evaluation;

internal sealed class FeatureAccumulator : IDisposable
{
    private const int BlockLength = 256;                           // rows; enough for a matrix product to be worth it

    private readonly int _dimension;
    private readonly double[] _block;                              // [BlockLength, D]
    private readonly Tensor _mean;                                 // [D]
    private readonly Tensor _scatter;                              // [D, D]: sum of (x − mean)(x − mean)ᵀ
    private int _inBlock;
    private long _merged;

    public FeatureAccumulator(int dimension)
    {
        _dimension = dimension;
        _block = new double[BlockLength * dimension];
        _mean = zeros(dimension, dtype: ScalarType.Float64).DetachFromDisposeScope();
        _scatter = zeros(dimension, dimension, dtype: ScalarType.Float64).DetachFromDisposeScope();
    }

    public long Count => _merged + _inBlock;

    public int Dimension => _dimension;

    /// <summary>Takes in a row of <see cref="Dimension"/> numbers.</summary>
    public void Add<T>(ReadOnlySpan<T> features) where T : System.Numerics.INumber<T>
    {
        Span<double> row = _block.AsSpan(_inBlock * _dimension, _dimension);
        for (int i = 0; i < row.Length; i++)
            row[i] = double.CreateChecked(features[i]);
        if (++_inBlock == BlockLength)
            Merge();
    }

    /// <summary>The mean, and the covariance with the divisor N − 1 as np.cov has it; at least two rows.</summary>
    public (double[] Mean, double[] Covariance) Finish()
    {
        Merge();
        using var scope = NewDisposeScope();
        return (_mean.data<double>().ToArray(), _scatter.DividedBy(_merged - 1).data<double>().ToArray());
    }

    public void Dispose()
    {
        _mean.Dispose();
        _scatter.Dispose();
    }

    private void Merge()
    {
        if (_inBlock == 0)
            return;
        using var scope = NewDisposeScope();
        Tensor block = tensor(_block).reshape(BlockLength, _dimension).narrow(0, 0, _inBlock);
        Tensor mean = block.mean([0]);                                        // [D]
        Tensor centred = block - mean;
        Tensor shift = mean - _mean;
        double total = _merged + _inBlock;
        _scatter.AddInPlace(centred.mT.matmul(centred)).AddInPlace(shift.outer(shift), factor: _merged * _inBlock / total);
        _mean.AddInPlace(shift, factor: _inBlock / total);
        (_merged, _inBlock) = (_merged + _inBlock, 0);
    }
}
