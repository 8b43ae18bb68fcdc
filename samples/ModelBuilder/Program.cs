// Model Builder's walk: load, train for a given time, save, evaluate, predict. Give it a folder of captioned pictures, such as
//     dotnet run -c Release --project samples/Shapes -- --export shapes-data --count 30000
// writes. With --defaults, one run of the trainer's default options takes the whole time instead, for comparison.
using System.CommandLine;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion;
using ModelBuilder;
using Samples.Common;

const int Evaluated = 200;
const double TestShare = 0.05;

RunOptions run = new(defaultMinutes: 6, defaultOutput: "model-builder");
Option<DirectoryInfo> data = new Option<DirectoryInfo>("--data") { Description = "Folder of captioned pictures to learn from.", Required = true }.AcceptExistingOnly();
Option<bool> defaults = new("--defaults") { Description = "Train once with the trainer's default options, and try nothing." };
RootCommand command = new("Tries recipes on a folder of captioned pictures within a time budget, and uses the best model.") { data, defaults };
run.AddTo(command);
command.SetAction(parsed => TrainAndUse(parsed.GetRequiredValue(data).FullName, run.Read(parsed), parsed.GetValue(defaults)));
return command.Parse(args).Invoke();

static void TrainAndUse(string folder, RunSettings settings, bool defaults)
{
    Directory.CreateDirectory(settings.Output);
    CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
    MLContext ml = settings.CreateContext();
    IDataView pictures = PictureModel.LoadData(ml, folder);
    DataOperationsCatalog.TrainTestData split = ml.Data.TrainTestSplit(pictures, TestShare, seed: settings.Seed);

    ITransformer model = defaults
        ? PictureModel.RetrainPipeline(ml, split.TrainSet, PictureModel.Options(settings.Seed) with { MaxTrainingTime = settings.TrainingTime })
        : PictureModel.Train(ml, split.TrainSet, settings.TrainingTime, settings.Seed, Console.WriteLine).BestRun.Model!;
    PictureModel.SaveModel(ml, model, pictures, settings["PictureModel.zip"]);

    TransfusionMetrics metrics = PictureModel.Evaluate(ml, model, ml.Data.TakeRows(split.TestSet, Evaluated));
    Console.WriteLine($"On {metrics.CaptionCount} pictures that it never saw: CIDEr-D {metrics.Cider:F2}, BLEU-4 {metrics.Bleu4:F3}, perplexity {metrics.Perplexity:F2}.");

    PictureModel.ModelPath = settings["PictureModel.zip"];
    PictureModel.ModelInput sample = ml.Data.CreateEnumerable<PictureModel.ModelInput>(split.TestSet, reuseRowObject: false).First();
    Console.WriteLine($"A picture of {sample.Caption}: {PictureModel.Caption(sample.ImagePath)}");
    using MLImage drawing = PictureModel.Draw(sample.Caption);
    drawing.Save(settings["drawing.png"]);
    Console.WriteLine($"Drew {sample.Caption}: {settings["drawing.png"]}");
    (model as IDisposable)?.Dispose();
}
