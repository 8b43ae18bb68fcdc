// LoaderApp MODEL.zip FOLDER: what an application does with a saved model when all it has of this library is a reference. It names no type
// of it. The first line of output is the loaded transformer's; then one line a row from Transform, then from PredictionEngine.
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.Transfusion.Tests;

public static class LoaderApp
{
    public static int Main(string[] args)
    {
        var ml = new MLContext();
        ITransformer model = ml.Model.Load(args[0], out _);
        Console.Write(Describe(ml, model, args[1]));
        ((IDisposable)model).Dispose();
        return 0;
    }

    /// <summary>Captions and SHA-256 of pixels for the rows of FOLDER/rows.tsv.</summary>
    public static string Describe(MLContext ml, ITransformer model, string folder)
    {
        var text = new StringBuilder();
        IDataView data = ml.Data.LoadFromTextFile<Row>(Path.Combine(folder, "rows.tsv"));
        foreach (Output row in ml.Data.CreateEnumerable<Output>(model.Transform(data), reuseRowObject: false))
            text.AppendLine(row.ToString());
        using PredictionEngine<Row, Output> engine = ml.Model.CreatePredictionEngine<Row, Output>(model, new PredictionEngineOptions { OwnsTransformer = false });
        foreach (Row row in ml.Data.CreateEnumerable<Row>(data, reuseRowObject: false).Reverse())
            text.AppendLine(engine.Predict(row).ToString());
        return text.ToString();
    }

    public sealed class Row
    {
        [LoadColumn(0)]
        public string? Caption { get; set; }

        [LoadColumn(1)]
        public string? ImagePath { get; set; }
    }

    public sealed class Output
    {
        public string? GeneratedText { get; set; }

        [ImageType(8, 8)]
        public MLImage? GeneratedImage { get; set; }

        [VectorType(3)]
        public float[]? Score { get; set; }

        public override string ToString() =>
            $"{GeneratedText} {Convert.ToHexString(SHA256.HashData(GeneratedImage!.Pixels))} {string.Join(' ', Score!.Select(BitConverter.SingleToInt32Bits))}";
    }
}
