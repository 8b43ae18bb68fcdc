// Statistics of features: one pass gives what all rows at once give, and other tools' files are read.
using System.IO.Compression;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests;

public class FeatureStatisticsTests
{
    [Theory]
    [InlineData(2, 3, 0)]
    [InlineData(255, 5, 1)]
    [InlineData(256, 5, 1)]
    [InlineData(257, 5, 1e4)]                                      // a mean that would cost a sum of squares its digits
    [InlineData(1000, 40, -30)]
    public void Compute_in_one_pass_gives_the_covariance_of_all_rows(int rows, int dimension, double mean)
    {
        using var scope = NewDisposeScope();
        float[][] features = Features(rows, dimension, mean, seed: 1);
        Tensor all = stack(features.Select(row => tensor(row))).to(ScalarType.Float64);
        Tensor centred = all - all.mean([0]);
        FeatureStatistics statistics = FeatureStatistics.Compute(features);
        TensorAssert.Close(all.mean([0]), tensor(statistics.Mean.ToArray()), 1e-9, "mean");
        TensorAssert.Close(centred.mT.matmul(centred) / (rows - 1), tensor(statistics.Covariance.ToArray()).reshape(dimension, dimension), 1e-9, "covariance");
    }

    [Fact]
    public void FrechetDistance_is_symmetric_zero_to_itself_and_the_square_of_a_shift()
    {
        FeatureStatistics one = FeatureStatistics.Compute(Features(200, 8, 0, seed: 1)), other = FeatureStatistics.Compute(Features(150, 8, 0.5, seed: 2));
        FeatureStatistics shifted = FeatureStatistics.Compute(Features(200, 8, 0, seed: 1).Select(row => row.Select(value => value + 2).ToArray()));
        Assert.Equal(0, one.FrechetDistance(one), 1e-9);
        Assert.Equal(one.FrechetDistance(other), other.FrechetDistance(one), 1e-9);
        Assert.Equal(8 * 4, one.FrechetDistance(shifted), 1e-3);      // the shift is rounded to 32 bits
    }

    [Fact]
    public void FrechetDistance_of_covariances_that_commute_is_known_even_where_they_are_singular()
    {
        using var scope = NewDisposeScope();
        // Diagonal covariances: the sum of (√a − √b)².
        double[] a = [4, 1, 0, 0, 9], b = [1, 1, 4, 0, 0];
        double distance = Microsoft.ML.Transfusion.Evaluation.FrechetDistance.Between(zeros(5, ScalarType.Float64), diag(tensor(a)), zeros(5, ScalarType.Float64), diag(tensor(b)));
        Assert.Equal(a.Zip(b, (x, y) => Math.Pow(Math.Sqrt(x) - Math.Sqrt(y), 2)).Sum(), distance, 1e-12);
    }

    [Fact]
    public void Load_gives_what_was_saved()
    {
        using var folder = new TemporaryFolder();
        FeatureStatistics saved = FeatureStatistics.Compute(Features(20, 6, 1, seed: 3));
        saved.Save(folder.File("stats.npz"));
        FeatureStatistics loaded = FeatureStatistics.Load(folder.File("stats.npz"));
        Assert.Equal(saved.Mean.ToArray(), loaded.Mean.ToArray());
        Assert.Equal(saved.Covariance.ToArray(), loaded.Covariance.ToArray());
    }

    [Fact]
    public void Load_reads_the_bytes_that_NumPy_writes()
    {
        using var folder = new TemporaryFolder();
        WriteNumpy(folder.File("numpy.npz"), ("mu", "<f4", "(2,)", [.. BitConverter.GetBytes(1.5f), .. BitConverter.GetBytes(-2f)]),
            ("sigma", "<f8", "(2, 2)", [.. ((double[])[4, 1, 1, 3]).SelectMany(BitConverter.GetBytes)]));
        FeatureStatistics statistics = FeatureStatistics.Load(folder.File("numpy.npz"));
        Assert.Equal([1.5, -2], statistics.Mean.ToArray());
        Assert.Equal([4, 1, 1, 3], statistics.Covariance.ToArray());
    }

    [Theory]
    [InlineData("<f8", "(1,)", 8, "<i8", "(1, 1)", 8)]             // whole numbers
    [InlineData("<f8", "(1,)", 8, "<f8", "(2, 2)", 32)]            // lengths that do not fit
    [InlineData("<f8", "(1,)", 8, "<f8", "(1, 1)", 7)]             // too few bytes
    [InlineData("<f8", "(1,)", 8, "<f8", "(99999, 99999)", 8)]     // more than an array can hold
    [InlineData("<f8", "(99999999999,)", 8, "<f8", "(1, 1)", 8)]
    public void Other_arrays_are_a_FormatException_that_names_the_file(string meanType, string meanShape, int meanBytes, string type, string shape, int bytes)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("wrong.npz");
        WriteNumpy(path, ("mu", meanType, meanShape, new byte[meanBytes]), ("sigma", type, shape, new byte[bytes]));
        Assert.Contains("wrong.npz", Assert.Throws<FormatException>(() => FeatureStatistics.Load(path)).Message, StringComparison.Ordinal);
        File.WriteAllText(path, "no zip at all");
        Assert.Throws<FormatException>(() => FeatureStatistics.Load(path));
        WriteNumpy(path, ("mu", "<f8", "(1,)", new byte[8]));
        Assert.Throws<FormatException>(() => FeatureStatistics.Load(path));
    }

    [Fact]
    public void Compute_refuses_features_that_have_no_statistics()
    {
        Assert.Throws<ArgumentException>(() => FeatureStatistics.Compute([]));
        Assert.Throws<ArgumentException>(() => FeatureStatistics.Compute([[1, 2]]));
        Assert.Throws<ArgumentException>(() => FeatureStatistics.Compute([[], []]));
        Assert.Throws<ArgumentException>(() => FeatureStatistics.Compute([[1, 2], [1]]));
        Assert.Throws<ArgumentException>(() => FeatureStatistics.Compute([[1, 2], [1, float.NaN]]));
        FeatureStatistics two = FeatureStatistics.Compute([[1, 2], [3, 4]]), one = FeatureStatistics.Compute([[1], [3]]);
        Assert.Throws<ArgumentException>(() => two.FrechetDistance(one));
    }

    private static float[][] Features(int rows, int dimension, double mean, ulong seed)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(seed, CPU);
        Tensor mixing = randn(dimension, dimension, generator: generator);
        Tensor all = randn(rows, dimension, generator: generator).matmul(mixing) + mean;
        return [.. Enumerable.Range(0, rows).Select(row => all[row].data<float>().ToArray())];
    }

    private static void WriteNumpy(string path, params (string Name, string Type, string Shape, byte[] Values)[] arrays)
    {
        using ZipArchive zip = new(File.Create(path), ZipArchiveMode.Create);
        foreach ((string name, string type, string shape, byte[] values) in arrays)
        {
            using Stream file = zip.CreateEntry(name + ".npy").Open();
            string header = $"{{'descr': '{type}', 'fortran_order': False, 'shape': {shape}, }}".PadRight(117) + "\n";
            file.Write([0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, 0, .. Encoding.ASCII.GetBytes(header), .. values]);
        }
    }
}
