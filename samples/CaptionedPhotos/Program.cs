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
Option<DirectoryInfo> data = new Option<DirectoryInfo>("--data") { Description = "Folder to learn from." }.AcceptExistingOnly();
Option<DirectoryInfo> test = new Option<DirectoryInfo>("--test") { Description = "Folder to caption after training.", Required = true }.AcceptExistingOnly();
Option<FileInfo> evaluate = new Option<FileInfo>("--evaluate") { Description = "Judge this saved model, and train nothing.", HelpName = "photos.zip" }.AcceptExistingOnly();
Option<string> autoencoder = new Option<string>("--autoencoder") { Description = "Train an autoencoder on the pictures instead, with continuous latents (kl) or codes (vq)." }.AcceptOnlyFromAmong("kl", "vq");
Option<DirectoryInfo> latents = new Option<DirectoryInfo>("--latents") { Description = "Learn the latents of the autoencoder in this folder instead of pixels.", HelpName = "autoencoder" }.AcceptExistingOnly();
RootCommand command = new("Trains a Transfusion model on a folder of captioned pictures; then it captions and draws.") { data, test, evaluate, autoencoder, latents };
run.AddTo(command);
command.SetAction(parsed =>
{
    RunSettings settings = run.Read(parsed);
    if (parsed.GetValue(evaluate) is { } saved)
        Evaluate(saved.FullName, parsed.GetRequiredValue(test).FullName, settings);
    else if (parsed.GetValue(data) is { } pictures && parsed.GetValue(autoencoder) is { } kind)
        AutoencoderRun.TrainAndEvaluate(pictures.FullName, parsed.GetRequiredValue(test).FullName, kind == "vq", settings);
    else if (parsed.GetValue(data) is { } folder)
        TrainAndEvaluate(folder.FullName, parsed.GetRequiredValue(test).FullName, settings, parsed.GetValue(latents)?.FullName);
    else
        Console.Error.WriteLine("Give --data, a folder to learn from, or --evaluate, a model that has learned.");
});
return command.Parse(args).Invoke();

static void TrainAndEvaluate(string dataFolder, string testFolder, RunSettings settings, string? autoencoderFolder)
{
    using ImageAutoencoder? autoencoder = autoencoderFolder is null ? null : AutoencoderRun.Load(autoencoderFolder);
    Directory.CreateDirectory(settings.Output);
    MLContext ml = settings.CreateContext();
    IDataView photos = ml.Generation.LoadCaptionedImages(dataFolder);
    IDataView testPhotos = ml.Generation.LoadCaptionedImages(testFolder);
    var loader = ml.Transforms.LoadImages("Image", imageFolder: "", inputColumnName: nameof(Photo.ImagePath));

    (var model, TrainingDisplay training) = TrainingDisplay.Run((display, interruption) =>
        loader.Append(ml.Generation.Trainers.Transfusion(PhotosTraining.Options(settings, autoencoder, display, interruption))).Fit(photos));
    using (model)
    {
        ml.Model.Save(model, photos.Schema, settings["photos.zip"]);
        LossCurves.Save(settings["curves.png"], training.History);

        IReadOnlyList<Photo> chosen = TestPhotos.Choose(ml.Data.CreateEnumerable<Photo>(testPhotos, reuseRowObject: false), settings.Seed);
        Console.WriteLine($"Captioning {chosen.Count} test pictures …");
        IDataView captioned = model.Transform(ml.Data.LoadFromEnumerable(chosen));
        bool[] right = [.. captioned.GetColumn<string>("GeneratedText").Zip(chosen, (generated, photo) => generated == photo.Caption)];
        double ranked = Rank(ml, model, chosen);
        Console.WriteLine("Drawing some captions …");
        string[] captions = [.. chosen.Select(photo => photo.Caption).Distinct().Order(StringComparer.Ordinal).Take(DrawnCaptions)];
        PictureGrid.Save(settings["drawn.png"], [.. Draw(ml, model.LastTransformer, captions, settings.Seed)], columns: captions.Length);

        Report report = new()
        {
            CaptionsCorrect = right.Average(each => each ? 1.0 : 0.0),
            RankedCorrectly = ranked,
            CaptionsEvaluated = chosen.Count,
            Seed = settings.Seed,
            Steps = training.Steps,
            TokensPerSecond = training.TokensPerSecond,
            TrainSeconds = training.Seconds,
        };
        report.Save(settings["report.json"]);
        Console.WriteLine($"Captions correct: {report.CaptionsCorrect:P1}; the right one is the likeliest of all: {ranked:P1}. Written to {settings.Output}");
    }
}

static void Evaluate(string saved, string testFolder, RunSettings settings)
{
    MLContext ml = settings.CreateContext();
    var model = (TransformerChain<ITransformer>)ml.Model.Load(saved, out _);
    IReadOnlyList<Photo> chosen = TestPhotos.Choose(ml.Data.CreateEnumerable<Photo>(ml.Generation.LoadCaptionedImages(testFolder), reuseRowObject: false), settings.Seed);
    double right = model.Transform(ml.Data.LoadFromEnumerable(chosen)).GetColumn<string>("GeneratedText").Zip(chosen, (generated, photo) => generated == photo.Caption ? 1.0 : 0.0).Average();
    Console.WriteLine($"Captions correct: {right:P1}; the right one is the likeliest of all: {Rank(ml, model, chosen):P1}. {saved}");
}

/// <summary>How often the picture's caption is the likeliest of all the captions there are: the paper's ranked evaluation, where there is one caption to a class.</summary>
static double Rank(MLContext ml, ITransformer model, IReadOnlyList<Photo> chosen)
{
    string[] captions = [.. chosen.Select(photo => photo.Caption).Distinct().Order(StringComparer.Ordinal)];
    IDataView loaded = ml.Transforms.LoadImages("Image", imageFolder: "", inputColumnName: nameof(Photo.ImagePath)).Fit(ml.Data.LoadFromEnumerable(chosen)).Transform(ml.Data.LoadFromEnumerable(chosen));
    IDataView scored = ml.Transforms.RankCaptions("Scores", ml.Generation.GetModel(model), captions).Fit(loaded).Transform(loaded);
    return scored.GetColumn<float[]>("Scores").Zip(chosen, (scores, photo) => captions[scores.IndexOf(scores.Max())] == photo.Caption ? 1.0 : 0.0).Average();
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
