// The README's program: thirty lines from a folder of captioned pictures to captions and drawings.
#region first-steps
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion;

var ml = new MLContext(seed: 1);
ml.Log += (_, message) => { if (message.Source.StartsWith("TransfusionTrainer", StringComparison.Ordinal)) Console.WriteLine(message.Message); };

// Train: a folder with captions.tsv (or metadata.jsonl, or text files beside the pictures, or a folder for each class).
IDataView pictures = ml.Generation.LoadCaptionedImages("pictures");
var pipeline = ml.Transforms.LoadImages("Image", imageFolder: "", inputColumnName: "ImagePath")
    .Append(ml.Generation.Trainers.Transfusion(new TransfusionTrainer.Options
    {
        Diffusion = DiffusionConfig.Minutes,
        Optimizer = OptimizerConfig.Minutes,
        MaxTrainingTime = TimeSpan.FromMinutes(2),
    }));
ITransformer model = pipeline.Fit(pictures);
ml.Model.Save(model, pictures.Schema, "pictures.zip");

// Elsewhere: an ordinary ML.NET model. It adds GeneratedText and GeneratedImage; what nobody reads costs nothing.
ITransformer loaded = ml.Model.Load("pictures.zip", out _);
IDataView captioned = loaded.Transform(ml.Data.TakeRows(pictures, 5));
foreach (string caption in captioned.GetColumn<string>("GeneratedText"))
    Console.WriteLine(caption);

// Or without a pipeline.
TransfusionModel artist = ml.Generation.GetModel(loaded);
using MLImage drawing = artist.GenerateImage("a small red circle above a large blue square");
drawing.Save("drawing.png");
#endregion
