// mlContext.Generation.Evaluate: one pass over a scored view, in which each kind of metric reads the columns it needs.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Interop;

namespace Microsoft.ML.Transfusion.Data;

/// <summary>A kind of metric that is gathered row by row.</summary>
internal interface IRowMetric : IDisposable
{
    /// <summary>What it reads.</summary>
    IEnumerable<DataViewSchema.Column> Columns { get; }

    /// <summary>Takes getters of a cursor in which those columns are active.</summary>
    void Open(DataViewRow row);

    /// <summary>Takes in the current row.</summary>
    void Read();

    /// <summary>Adds its numbers.</summary>
    TransfusionMetrics Finish(TransfusionMetrics metrics);
}

internal static class Evaluator
{
    public static TransfusionMetrics Evaluate(IHost host, IDataView data, EvaluationOptions options)
    {
        var columns = new EvaluatedColumns(host, data.Schema);
        IRowMetric[] metrics = [.. new IRowMetric?[]
        {
            CaptionRows.Create(columns, options), LossRows.Create(columns, data.Schema, options), FeatureRows.Create(host, columns, options),
        }.OfType<IRowMetric>()];
        if (metrics.Length == 0)
            throw columns.Unfit($"There is nothing to evaluate: captions need the columns '{options.LabelColumnName}' and '{options.GeneratedTextColumnName}', losses "
                + $"'{options.ScoreColumnName}', the Fréchet distance ImageFeatures or GeneratedFeaturesColumnName. The data has {columns.Names()}. "
                + "Pass what a trained transformer's Transform returns, or name its columns.");
        try
        {
            return Read(host, data, metrics);
        }
        finally
        {
            foreach (IRowMetric metric in metrics)
                metric.Dispose();
        }
    }

    private static TransfusionMetrics Read(IHost host, IDataView data, IRowMetric[] metrics)
    {
        using DataViewRowCursor cursor = data.GetRowCursor(metrics.SelectMany(metric => metric.Columns).DistinctBy(column => column.Index));
        foreach (IRowMetric metric in metrics)
            metric.Open(cursor);
        long rows = 0;
        for (; cursor.MoveNext(); rows++)
        {
            MLNetInternals.CheckAlive(host);
            foreach (IRowMetric metric in metrics)
                metric.Read();
        }
        return rows > 0 ? metrics.Aggregate(new TransfusionMetrics { RowCount = rows }, (result, metric) => metric.Finish(result))
            : throw host.Process(new InvalidOperationException("The data has no rows to evaluate."));
    }
}
