// How the model is used: this file and PictureModel.zip are all that an application needs.
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace ModelBuilder;

public partial class PictureModel
{
    private const int Side = 32;
    private static readonly Lazy<PredictionEngine<ModelInput, CaptionOutput>> CaptionEngine = new(CreateEngine<CaptionOutput>, isThreadSafe: true);
    private static readonly Lazy<PredictionEngine<ModelInput, DrawingOutput>> DrawingEngine = new(CreateEngine<DrawingOutput>, isThreadSafe: true);

    /// <summary>Where the model is, to be set before the first prediction.</summary>
    public static string ModelPath { get; set; } = Path.GetFullPath("PictureModel.zip");

    /// <summary>What the model reads: a picture to describe, or a caption to draw. An engine serves one thread at a time.</summary>
    public class ModelInput
    {
        public string ImagePath { get; set; } = "";

        public string Caption { get; set; } = "";
    }

    /// <summary>What it says of a picture. An engine computes what its output names and nothing else.</summary>
    public class CaptionOutput
    {
        public string GeneratedText { get; set; } = "";
    }

    /// <summary>What it draws of a caption.</summary>
    public class DrawingOutput
    {
        [ImageType(Side, Side)]
        public MLImage? GeneratedImage { get; set; }
    }

    /// <summary>Describes a picture.</summary>
    public static string Caption(string imagePath) => CaptionEngine.Value.Predict(new ModelInput { ImagePath = imagePath }).GeneratedText;

    /// <summary>Draws a caption; the picture is the caller's to dispose.</summary>
    public static MLImage Draw(string caption) => DrawingEngine.Value.Predict(new ModelInput { Caption = caption }).GeneratedImage!;

    private static PredictionEngine<ModelInput, TOutput> CreateEngine<TOutput>()
        where TOutput : class, new()
    {
        var ml = new MLContext();
        return ml.Model.CreatePredictionEngine<ModelInput, TOutput>(ml.Model.Load(ModelPath, out _));
    }
}
