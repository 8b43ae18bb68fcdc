// What a set of pictures looks like to a network: mean and covariance of its features. FID compares two of these.
using Microsoft.ML.Transfusion.Evaluation;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion;

/// <summary>
/// Mean and covariance of feature vectors, computed in 64-bit numbers. Saved as the <c>.npz</c> with <c>mu</c> and <c>sigma</c> that
/// pytorch-fid reads and writes. Immutable.
/// </summary>
public sealed class FeatureStatistics
{
    private const string MeanName = "mu", CovarianceName = "sigma";

    private readonly double[] _mean, _covariance;

    private FeatureStatistics(double[] mean, double[] covariance) => (_mean, _covariance) = (mean, covariance);

    /// <summary>Length of the feature vectors.</summary>
    public int Dimension => _mean.Length;

    /// <summary>The mean, <see cref="Dimension"/> numbers.</summary>
    public ReadOnlyMemory<double> Mean => _mean;

    /// <summary>The covariance, <see cref="Dimension"/> × <see cref="Dimension"/> numbers, with the divisor N − 1.</summary>
    public ReadOnlyMemory<double> Covariance => _covariance;

    /// <summary>Reads the features once and keeps none of them.</summary>
    /// <param name="features">A vector for each picture, at least two and all of one length. More pictures than features (2,048 of Inception) give a covariance of full rank.</param>
    /// <exception cref="ArgumentException">There are fewer than two vectors, or they differ in length, or one holds a value that is not finite.</exception>
    public static FeatureStatistics Compute(IEnumerable<float[]> features)
    {
        ArgumentNullException.ThrowIfNull(features);
        NativeTorch.Require();
        FeatureAccumulator? sums = null;
        try
        {
            foreach (float[] row in features)
            {
                sums ??= new FeatureAccumulator(row.Length);
                if (row.Length != sums.Dimension || row.Length == 0)
                    throw new ArgumentException($"Feature vector {sums.Count} has {row.Length} elements, the first has {sums.Dimension}.", nameof(features));
                if (!row.All(float.IsFinite))
                    throw new ArgumentException($"Feature vector {sums.Count} holds a value that is not a finite number.", nameof(features));
                sums.Add(row);
            }
            return Of(sums ?? throw new ArgumentException("There are no feature vectors.", nameof(features)));
        }
        finally
        {
            sums?.Dispose();
        }
    }

    /// <summary>Reads a file such as <c>pytorch_fid --save-stats</c> writes.</summary>
    /// <param name="path">The <c>.npz</c> file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="FormatException">The file is something else.</exception>
    public static FeatureStatistics Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using FileStream stream = File.OpenRead(path);
        Dictionary<string, NumpyArray> arrays = NumpyArchive.Read(stream, path);
        if (arrays.TryGetValue(MeanName, out NumpyArray? mean) && arrays.TryGetValue(CovarianceName, out NumpyArray? covariance)
            && mean.Shape is [int dimension] && covariance.Shape is [int rows, int columns] && rows == dimension && columns == dimension && dimension > 0
            && mean.Values.All(double.IsFinite) && covariance.Values.All(double.IsFinite))
            return new FeatureStatistics(mean.Values, covariance.Values);
        throw new FormatException($"{path} holds no mean 'mu' [D] and covariance 'sigma' [D, D] of finite numbers. Write it with pytorch_fid --save-stats or FeatureStatistics.Save.");
    }

    /// <summary>Writes <c>mu</c> and <c>sigma</c> as float64. An existing file is replaced as a whole.</summary>
    /// <param name="path">The <c>.npz</c> file.</param>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        AtomicFile.Write(path, stream => NumpyArchive.Write(stream, new Dictionary<string, NumpyArray>
        {
            [MeanName] = new([Dimension], _mean),
            [CovarianceName] = new([Dimension, Dimension], _covariance),
        }));
    }

    /// <summary>The Fréchet distance |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 √(Σ₁Σ₂)), at least 0 but for rounding; FID if the features are Inception's.</summary>
    /// <param name="other">Statistics of features of the same network.</param>
    /// <exception cref="ArgumentException">The features differ in length.</exception>
    public double FrechetDistance(FeatureStatistics other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (other.Dimension != Dimension)
            throw new ArgumentException($"Features of {Dimension} and of {other.Dimension} elements cannot be compared; take both from one network.", nameof(other));
        NativeTorch.Require();
        using var scope = NewDisposeScope();
        Tensor Matrix(double[] values) => tensor(values).reshape(Dimension, Dimension);
        return Evaluation.FrechetDistance.Between(tensor(_mean), Matrix(_covariance), tensor(other._mean), Matrix(other._covariance));
    }

    internal static FeatureStatistics Of(FeatureAccumulator sums)
    {
        if (sums.Count < 2)
            throw new ArgumentException($"A covariance needs at least two feature vectors, not {sums.Count}.");
        (double[] mean, double[] covariance) = sums.Finish();
        return new FeatureStatistics(mean, covariance);
    }
}
