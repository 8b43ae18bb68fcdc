// mlContext.Generation.EvaluateReconstruction: one pass over a view that has pictures and their reconstructions.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Imaging;
using Microsoft.ML.Transfusion.Interop;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

internal static class ReconstructionEvaluator
{
    private const double Peak = 255, ValuesPerLevel = 127.5;        // pixels lie in [−1, 1]
    private const double LeastError = 1.0 / 12;                     // what rounding to 8 bits alone would leave; equal pictures are 59 dB, not infinitely many

    public static ReconstructionMetrics Evaluate(IHost host, IDataView data, string imageColumnName, string reconstructedColumnName)
    {
        var columns = new EvaluatedColumns(host, data.Schema);
        DataViewSchema.Column[] pair = [columns.Image(imageColumnName)!.Value, columns.Image(reconstructedColumnName)!.Value];
        using DataViewRowCursor cursor = data.GetRowCursor(pair);
        Func<MLImage?>[] read = [.. pair.Select(column => PartReader.ImageReader(cursor.GetGetter<MLImage>(column)))];
        double decibels = 0, absolute = 0;
        long count = 0;
        while (cursor.MoveNext())
        {
            MLNetInternals.CheckAlive(host);
            if (read[0]() is not { } image || read[1]() is not { } reconstructed)
                continue;
            using var scope = NewDisposeScope();
            Tensor difference = ImageTensors.ToTensor(image, reconstructed.Height, reconstructed.Width).Plus(ImageTensors.ToTensor(reconstructed, reconstructed.Height, reconstructed.Width), -1)
                .Times(ValuesPerLevel).to(ScalarType.Float64);
            decibels += 10 * Math.Log10(Peak * Peak / Math.Max(LeastError, difference.Squared().mean().AsDouble()));
            absolute += difference.abs().mean().AsDouble();
            count++;
        }
        return count > 0 ? new ReconstructionMetrics { PeakSignalToNoiseRatio = decibels / count, MeanAbsoluteError = absolute / count, ImageCount = count }
            : throw host.Process(new InvalidOperationException($"The data has no row with pictures in '{imageColumnName}' and '{reconstructedColumnName}'."));
    }
}
