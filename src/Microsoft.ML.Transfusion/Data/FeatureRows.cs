// The Fréchet distance: features of real and of drawn pictures, from columns or from a function of the caller's, gathered in one pass.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Evaluation;
using Microsoft.ML.Transfusion.Torch;

namespace Microsoft.ML.Transfusion.Data;

/// <param name="real">Null where <paramref name="reference"/> is given.</param>
internal sealed class FeatureRows(IHost host, FeatureRows.Side? real, FeatureRows.Side drawn, FeatureStatistics? reference) : IRowMetric
{
    public IEnumerable<DataViewSchema.Column> Columns => real is null ? [drawn.Column] : [real.Column, drawn.Column];

    /// <exception cref="ArgumentException">One side is asked for and the other is not.</exception>
    public static FeatureRows? Create(IHost host, EvaluatedColumns columns, EvaluationOptions options)
    {
        Side? Of(string? features, string image) => columns.Features(features) is { } vector ? new Side(host, vector, null)
            : options.ImageFeatures is { } ofImage ? new Side(host, columns.Image(image)!.Value, ofImage) : null;
        if (options is { ImageFeatures: null, GeneratedFeaturesColumnName: null, FeaturesColumnName: null, ReferenceStatistics: null })
            return null;
        Side? drawn = Of(options.GeneratedFeaturesColumnName, options.GeneratedImageColumnName);
        Side? real = options.ReferenceStatistics is null ? Of(options.FeaturesColumnName, options.ImageColumnName) : null;
        if (drawn is null || (real is null && options.ReferenceStatistics is null))
            throw host.Process(new ArgumentException("The Fréchet distance needs features of real and of drawn pictures: set ImageFeatures; or "
                + "GeneratedFeaturesColumnName, and FeaturesColumnName or ReferenceStatistics.", nameof(options)));
        return new FeatureRows(host, real, drawn, options.ReferenceStatistics);
    }

    public void Open(DataViewRow row)
    {
        NativeTorch.Require();
        real?.Open(row);
        drawn.Open(row);
    }

    public void Read()
    {
        real?.Read();
        drawn.Read();
    }

    public TransfusionMetrics Finish(TransfusionMetrics metrics)
    {
        FeatureStatistics expected = reference ?? real!.Finish(), actual = drawn.Finish();
        if (expected.Dimension != actual.Dimension)
            throw host.Process(new InvalidOperationException($"Column '{drawn.Column.Name}' gives {actual.Dimension} features, the real pictures {expected.Dimension}. Take both from one network."));
        return metrics with { FrechetDistance = expected.FrechetDistance(actual) };
    }

    public void Dispose()
    {
        real?.Dispose();
        drawn.Dispose();
    }

    /// <param name="ofImage">Null where the column holds features.</param>
    internal sealed class Side(IHost host, DataViewSchema.Column column, Func<MLImage, float[]>? ofImage) : IDisposable
    {
        private Func<float[]?>? _read;
        private FeatureAccumulator? _sums;

        public DataViewSchema.Column Column => column;

        public void Open(DataViewRow row) => _read = ofImage is null ? FeaturesOf(row) : FeaturesOf(row, ofImage);

        public void Read()
        {
            if (_read!() is not { } features)
                return;
            _sums ??= new FeatureAccumulator(features.Length);
            if (features.Length != _sums.Dimension || !features.All(float.IsFinite))
                throw host.Process(new InvalidOperationException($"Column '{column.Name}': the features of picture {_sums.Count} must be {_sums.Dimension} finite numbers, as many as those of the first."));
            _sums.Add<float>(features);
        }

        public FeatureStatistics Finish() => _sums is { Count: > 1 } ? FeatureStatistics.Of(_sums)
            : throw host.Process(new InvalidOperationException($"Column '{column.Name}' has {_sums?.Count ?? 0} pictures; the Fréchet distance needs two at least, and more than features to be of use."));

        public void Dispose() => _sums?.Dispose();

        private Func<float[]> FeaturesOf(DataViewRow row)
        {
            ValueGetter<VBuffer<float>> getter = row.GetGetter<VBuffer<float>>(column);
            VBuffer<float> values = default;
            return () =>
            {
                getter(ref values);
                return [.. values.DenseValues()];
            };
        }

        private Func<float[]?> FeaturesOf(DataViewRow row, Func<MLImage, float[]> features)
        {
            Func<MLImage?> read = PartReader.ImageReader(row.GetGetter<MLImage>(column));
            bool owned = column.Annotations.Schema.GetColumnOrNull(OutputSchemas.GeneratedFrom) is not null;     // made for whoever reads it
            return () =>
            {
                MLImage? image = read();
                try
                {
                    return image is null ? null : features(image);
                }
                finally
                {
                    if (owned)
                        image?.Dispose();
                }
            };
        }
    }
}
