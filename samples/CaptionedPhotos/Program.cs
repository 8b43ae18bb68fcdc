// Trains a Transfusion model on a folder of captioned pictures, captions the pictures of another folder, draws some of their captions, and writes
// photos.zip, drawn.png, curves.png and report.json. docs/data-formats.md tells which folders it reads.
using System.CommandLine;
using CaptionedPhotos;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion;
using Samples.Common;

const int DrawnCaptions = 10;
const int DrawingsPerCaption = 3;

RunOptions run = new(defaultMinutes: 20, defaultOutput: "photos");
Option<DirectoryInfo> data = new Option<DirectoryInfo>("--data") { Description = "Folder to learn from.", Required = true }.AcceptExistingOnly();
Option<DirectoryInfo> test = new Option<DirectoryInfo>("--test") { Description = "Folder to caption after training.", Required = true }.AcceptExistingOnly();
RootCommand command = new("Trains a Transfusion model on a folder of captioned pictures; then it captions and draws.") { data, test };
run.AddTo(command);
command.SetAction(parsed => TrainAndEvaluate(parsed.GetRequiredValue(data).FullName, parsed.GetRequiredValue(test).FullName, run.Read(parsed)));
return command.Parse(args).Invoke();

static void TrainAndEvaluate(string dataFolder, string testFolder, RunSettings settings)
{
    Directory.CreateDirectory(settings.Output);
    MLContext ml = new(seed: settings.Seed);
    IDataView photos = ml.Generation.LoadCaptionedImages(dataFolder);
    IDataView testPhotos = ml.Generation.LoadCaptionedImages(testFolder);
    var loader = ml.Transforms.LoadImages("Image", imageFolder: "", inputColumnName: nameof(Photo.ImagePath));

    (var model, TrainingDisplay training) = TrainingDisplay.Run((display, interruption) =>
        loader.Append(ml.Generation.Trainers.Transfusion(PhotosTraining.Options(settings, display, interruption))).Fit(photos));
    using (model)
    {
        ml.Model.Save(model, photos.Schema, settings["photos.zip"]);
        LossCurves.Save(settings["curves.png"], training.History);

        IReadOnlyList<Photo> chosen = TestPhotos.Choose(ml.Data.CreateEnumerable<Photo>(testPhotos, reuseRowObject: false), settings.Seed);
        Console.WriteLine($"Captioning {chosen.Count} test pictures …");
        IDataView captioned = model.Transform(ml.Data.LoadFromEnumerable(chosen));
        bool[] right = [.. captioned.GetColumn<string>("GeneratedText").Zip(chosen, (generated, photo) => generated == photo.Caption)];
        Console.WriteLine("Drawing some captions …");
        string[] captions = [.. chosen.Select(photo => photo.Caption).Distinct().Order(StringComparer.Ordinal).Take(DrawnCaptions)];
        PictureGrid.Save(settings["drawn.png"], [.. Draw(ml, model.LastTransformer, captions, settings.Seed)], columns: captions.Length);

        Report report = new()
        {
            CaptionsCorrect = right.Average(each => each ? 1.0 : 0.0),
            CaptionsEvaluated = chosen.Count,
            Seed = settings.Seed,
            Steps = training.Steps,
            TokensPerSecond = training.TokensPerSecond,
            TrainSeconds = training.Seconds,
        };
        report.Save(settings["report.json"]);
        Console.WriteLine($"Captions correct: {report.CaptionsCorrect:P1}. Written to {settings.Output}");
    }
}

static IEnumerable<CaptionedPicture> Draw(MLContext ml, TransfusionTransformer model, string[] captions, int seed)
{
    IDataView rows = ml.Data.LoadFromEnumerable(captions.Select(caption => new Photo { Caption = caption }));
    for (int row = 0; row < DrawingsPerCaption; row++)
    {
        GenerationOptions options = PhotosTraining.Generation with { Seed = seed + row };
        IDataView drawn = ml.Transforms.GenerateImages("Drawing", model, nameof(Photo.Caption), options).Fit(rows).Transform(rows);
        foreach ((MLImage picture, string caption) in drawn.GetColumn<MLImage>("Drawing").Zip(captions))
            yield return new CaptionedPicture(picture, caption);
    }
}
