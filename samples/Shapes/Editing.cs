// Editing by documents: a model learns [source, instruction, edited], edits held-out pictures, and draws and then describes what it drew in one answer.
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion;
using Samples.Common;
using Shapes.Data;

namespace Shapes;

internal static class Editing
{
    private const int NumberOfRows = 30_000;

    public static void TrainAndEvaluate(RunSettings settings)
    {
        Directory.CreateDirectory(settings.Output);
        MLContext ml = new(seed: settings.Seed);
        IDataView rows = ml.Data.LoadFromEnumerable(EditedShape.Sample(NumberOfRows, settings.Seed));
        (TransfusionTransformer model, TrainingDisplay training) = TrainingDisplay.Run((display, interruption) =>
            ml.Generation.Trainers.Transfusion(Options(settings, display, interruption)).Fit(rows));
        using (model)
        {
            ml.Model.Save(model, rows.Schema, settings["editing.zip"]);
            Evaluate(model.Model, settings);
        }
        Console.WriteLine($"{training.Steps} steps in {training.Seconds:F0} s. Written to {settings.Output}");
    }

    /// <summary>Judges edits of held-out pictures, and whether what is drawn and what is said of it agree.</summary>
    public static void Evaluate(TransfusionModel model, RunSettings settings)
    {
        int edits = 0, agreements = 0, asked = 0, count = ShapesTraining.NumberOfEvaluations / 2;
        List<CaptionedPicture> shown = [];
        Random random = new(settings.Seed + 1);
        for (int number = 0; number < count; number++)
        {
            Data.Edit edit = Data.Edit.Next(random, heldOut: true);
            EditedShape row = EditedShape.Of(edit);
            using MLImage source = row.Source!, truth = row.Edited!;
            MLImage edited = model.GenerateImage([new SequencePart.Image(source), new SequencePart.Text(edit.Instruction)], ShapesTraining.Generation);
            bool right = Oracle.Read(Pictures.ToRgb(edited)) == edit.Edited.Composition;
            edits += right ? 1 : 0;
            if (shown.Count < 32)
                shown.AddRange([new CaptionedPicture(Pictures.Draw(edit.Source), "source", true), new CaptionedPicture(edited, edit.Instruction, right)]);
        }
        PictureGrid.Save(settings["edited.png"], shown);
        for (int number = 0; number < count; number++)
        {
            Composition composition = SceneSampler.Next(random, heldOut: true).Composition;
            Composition? drawn = null, told = null;
            string text = "";
            foreach (SequencePart part in model.Generate([new SequencePart.Text(EditedShape.DrawThenDescribe(Data.Caption.Write(composition, random)))], ShapesTraining.Generation))
            {
                if (part is SequencePart.Text piece)
                    text += piece.Value;
                if (part is SequencePart.Image { Value: var image } && drawn is null)
                    using (image)
                        drawn = Oracle.Read(Pictures.ToRgb(image));
            }
            told = Data.Caption.Parse(text.Trim());
            agreements += drawn is not null && drawn == told ? 1 : 0;
            asked += drawn == composition ? 1 : 0;
        }
        Console.WriteLine($"Edited correctly: {edits / (double)count:P1}. Drawing and its description agree: {agreements / (double)count:P1} (drawn as asked: {asked / (double)count:P1}). {count} held-out cases each.");
    }

    private static TransfusionTrainer.Options Options(RunSettings settings, IProgress<TrainingProgress> progress, CancellationToken interruption) =>
        ShapesTraining.Options(settings, progress, interruption) with
        {
            ColumnNames = EditedShape.Columns,
            // A source is described by what follows, so it is hardly noised; captions here always come before a picture or after one, as they stand.
            Diffusion = DiffusionConfig.Minutes with { ImageFirstMaxTimestep = 200, ImageFirstShare = 0, CaptionFirstLanguageWeight = 1 },
        };
}
