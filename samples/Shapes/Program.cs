// The tour: draws its own captioned pictures, trains a Transfusion model on them, lets it caption and draw what it never saw, and writes shapes.zip,
// drawn.png, curves.png and report.json. With --compare, a saved model draws by many samplers instead; with --evaluate, one is only judged.
using System.CommandLine;
using Microsoft.ML;
using Microsoft.ML.Transfusion;
using Samples.Common;
using Shapes;
using Shapes.Data;

RunOptions run = new(defaultMinutes: 5, defaultOutput: "shapes");
Option<string?> export = new("--export") { Description = "Write pictures and captions.tsv to this folder, and train nothing.", HelpName = "folder" };
Option<string?> compare = new("--compare") { Description = "Compare samplers, steps and guidance on this saved model, and train nothing.", HelpName = "shapes.zip" };
Option<string?> evaluate = new("--evaluate") { Description = "Judge this saved model, or one that another program trained on exported shapes, and train nothing.", HelpName = "shapes.zip" };
Option<bool> edit = new("--edit") { Description = "Learn edits instead: source, instruction, edited picture; and drawings that are then described. With --evaluate, such a model is only judged." };
Option<int> patchSize = RunOptions.Positive(new Option<int>("--patch-size") { Description = "Pixels along a side of a patch.", DefaultValueFactory = _ => ShapesTraining.Image.PatchSize });
Option<PatchEncoding> encoder = new("--encoder") { Description = "How patches come into the transformer and out of it.", DefaultValueFactory = _ => ShapesTraining.Image.PatchEncoding };
Option<int> channels = RunOptions.Positive(new Option<int>("--unet-channels") { Description = "Channels of the U-Net at its first resolution.", DefaultValueFactory = _ => ShapesTraining.Image.UNetChannels });
Option<int> places = RunOptions.Positive(new Option<int>("--unet-place-size") { Description = "Pixels along a side of what the U-Net takes as one place.", DefaultValueFactory = _ => ShapesTraining.Image.UNetPlaceSize });
Option<string> transformer = new Option<string>("--transformer") { Description = "Size of the network.", DefaultValueFactory = _ => ShapesTraining.Transformers.First().Key }.AcceptOnlyFromAmong([.. ShapesTraining.Transformers.Keys]);
Option<int> candidates = RunOptions.Positive(new Option<int>("--candidates") { Description = "Drawings of a caption, of which the model keeps the one it would sooner caption so.", DefaultValueFactory = _ => ShapesTraining.Generation.NumberOfImageCandidates });
Option<int> count = RunOptions.Positive(new Option<int>("--count") { Description = "Pictures to export, or captions to draw by each sampler.", DefaultValueFactory = _ => 1000 });
RootCommand command = new("Trains a Transfusion model on drawn, captioned shapes; then it captions and draws shapes it never saw.") { export, compare, evaluate, edit, transformer, patchSize, encoder, channels, places, candidates, count };
run.AddTo(command);
command.SetAction(parsed =>
{
    RunSettings settings = run.Read(parsed);
    GenerationOptions generation = ShapesTraining.Generation with { NumberOfImageCandidates = parsed.GetValue(candidates) };
    if (parsed.GetValue(export) is { } folder)
        CaptionedFolder.Write(folder, parsed.GetValue(count), settings.Seed);
    else if (parsed.GetValue(compare) is { } saved)
        Compare(saved, settings, parsed.GetValue(count));
    else if (parsed.GetValue(edit))
        Editing.Run(settings, parsed.GetValue(evaluate));
    else if (parsed.GetValue(evaluate) is { } judged)
        Evaluate(judged, settings, generation);
    else
        TrainAndEvaluate(settings, generation, ShapesTraining.Transformers[parsed.GetRequiredValue(transformer)], ShapesTraining.Image with { PatchSize = parsed.GetValue(patchSize), PatchEncoding = parsed.GetValue(encoder), UNetChannels = parsed.GetValue(channels), UNetPlaceSize = parsed.GetValue(places) });
});
return command.Parse(args).Invoke();

static void TrainAndEvaluate(RunSettings settings, GenerationOptions generation, TransformerConfig transformer, ImageCodecConfig image)
{
    Directory.CreateDirectory(settings.Output);
    MLContext ml = settings.CreateContext();
    IDataView pictures = ml.Data.LoadFromEnumerable(CaptionedShape.Sample(ShapesTraining.NumberOfPictures, settings.Seed, heldOut: false));

    (TransfusionTransformer model, TrainingDisplay training) = TrainingDisplay.Run((display, interruption) =>
        ml.Generation.Trainers.Transfusion(ShapesTraining.Options(settings, display, interruption) with { Transformer = transformer, Image = image, Generation = generation }).Fit(pictures));
    using (model)
    {
        ml.Model.Save(model, pictures.Schema, settings["shapes.zip"]);
        LossCurves.Save(settings["curves.png"], training.History);

        Console.WriteLine($"Captioning {ShapesTraining.NumberOfEvaluations} pictures of compositions it never saw …");
        var captions = Evaluation.Caption(ml, model, ShapesTraining.NumberOfEvaluations, settings.Seed);
        Console.WriteLine($"Drawing {ShapesTraining.NumberOfEvaluations} captions it never saw …");
        var drawings = Evaluation.Draw(ml, ml.Generation.GetModel(model), ShapesTraining.NumberOfEvaluations, settings.Seed, generation);
        PictureGrid.Save(settings["drawn.png"], [.. drawings.Take(32).Select(drawing => drawing.Drawing)]);

        var judged = drawings.Select(drawing => drawing.Judgement).ToList();
        Report report = new()
        {
            CaptionsCorrect = captions.Share(),
            CaptionsCorrectOneObject = captions.Where(caption => caption.OneObject).Share(),
            CaptionsCorrectTwoObjects = captions.Where(caption => !caption.OneObject).Share(),
            DrawnCorrectly = judged.Share(),
            DrawnCorrectlyOneObject = judged.Where(drawing => drawing.OneObject).Share(),
            DrawnCorrectlyTwoObjects = judged.Where(drawing => !drawing.OneObject).Share(),
            CaptionsEvaluated = captions.Count,
            DrawingsEvaluated = drawings.Count,
            Seed = settings.Seed,
            Steps = training.Steps,
            TokensPerSecond = training.TokensPerSecond,
            TrainSeconds = training.Seconds,
        };
        report.Save(settings["report.json"]);
        Console.WriteLine($"Captions correct: {report.CaptionsCorrect:P1}. Drawn correctly: {report.DrawnCorrectly:P1}. Written to {settings.Output}");
    }
}

static void Compare(string saved, RunSettings settings, int count)
{
    Directory.CreateDirectory(settings.Output);
    MLContext ml = settings.CreateContext();
    SamplerComparison.Run(ml, ml.Generation.GetModel(ml.Model.Load(saved, out _)), settings, count);
}

static void Evaluate(string saved, RunSettings settings, GenerationOptions generation)
{
    MLContext ml = settings.CreateContext();
    ITransformer loaded = ml.Model.Load(saved, out _);
    TransfusionTransformer model = loaded as TransfusionTransformer ?? ((IEnumerable<ITransformer>)loaded).OfType<TransfusionTransformer>().Single();
    double captions = Evaluation.Caption(ml, model, ShapesTraining.NumberOfEvaluations, settings.Seed).Share();
    var drawings = Evaluation.Draw(ml, model.Model, ShapesTraining.NumberOfEvaluations, settings.Seed, generation);
    Console.WriteLine($"Captions correct: {captions:P1}. Drawn correctly: {drawings.Select(drawing => drawing.Judgement).Share():P1}. {saved}");
}
