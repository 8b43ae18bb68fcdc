// Editing by documents: a model learns [source, instruction, edited], edits held-out pictures, and draws and then describes what it drew in one answer.
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion;
using Samples.Common;
using Shapes.Data;

namespace Shapes;

internal static class Editing
{
    private const int NumberOfRows = 60_000;
    private const int Callers = 32;

    /// <param name="saved">A model to judge only; null: one is trained.</param>
    public static void Run(RunSettings settings, string? saved)
    {
        Directory.CreateDirectory(settings.Output);
        MLContext ml = settings.CreateContext();
        if (saved is not null)
        {
            using TransfusionModel judged = ml.Generation.GetModel(ml.Model.Load(saved, out _));
            Evaluate(judged, settings);
            return;
        }
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
    private static void Evaluate(TransfusionModel model, RunSettings settings)
    {
        Random random = new(settings.Seed + 1);
        int count = ShapesTraining.NumberOfEvaluations / 2;
        Edit[] edits = [.. Enumerable.Range(0, count).Select(_ => Edit.Next(random, heldOut: true))];
        (Composition Asked, string Prompt)[] prompts = [.. Enumerable.Range(0, count).Select(_ => SceneSampler.Next(random, heldOut: true).Composition)
            .Select(composition => (composition, EditedShape.DrawThenDescribe(Caption.Write(composition, random))))];

        // From many threads at once, as a server would: the model computes such calls together.
        MLImage[] edited = [.. edits.AsParallel().AsOrdered().WithDegreeOfParallelism(Callers).Select(edit => Draw(model, edit))];
        var answers = prompts.AsParallel().AsOrdered().WithDegreeOfParallelism(Callers).Select(prompt => DrawAndDescribe(model, prompt.Prompt)).ToArray();

        bool[] right = [.. edits.Zip(edited, (edit, picture) => Oracle.Read(Pictures.ToRgb(picture)) == edit.Edited.Composition)];
        PictureGrid.Save(settings["edited.png"], [.. edits.Take(16).SelectMany((edit, at) => (CaptionedPicture[])
            [new(Pictures.Draw(edit.Source), "source", true), new(edited[at], edit.Instruction, right[at])])]);
        Console.WriteLine($"Edited correctly: {Share(right):P1}. Drawing and its description agree: {Share(answers.Select(answer => answer.Drawn is not null && answer.Drawn == answer.Told)):P1} "
            + $"(drawn as asked: {Share(answers.Zip(prompts, (answer, prompt) => answer.Drawn == prompt.Asked)):P1}). {count} held-out cases each.");
    }

    /// <summary>
    /// As captions are drawn, but once: an instruction is no caption to judge a drawing by. In more steps, which put right what a second drawing
    /// would make up for.
    /// </summary>
    private static GenerationOptions Generation => ShapesTraining.Generation with { NumberOfImageCandidates = 1, NumberOfInferenceSteps = 50 };

    private static double Share(IEnumerable<bool> judgements) => judgements.Average(right => right ? 1.0 : 0);

    private static MLImage Draw(TransfusionModel model, Edit edit)
    {
        using MLImage source = Pictures.Draw(edit.Source);
        return model.GenerateImage([new SequencePart.Image(source), new SequencePart.Text(edit.Instruction)], Generation);
    }

    /// <summary>What the picture of one answer shows, and what its text says.</summary>
    private static (Composition? Drawn, Composition? Told) DrawAndDescribe(TransfusionModel model, string prompt)
    {
        Composition? drawn = null;
        string text = "";
        foreach (SequencePart part in model.Generate([new SequencePart.Text(prompt)], Generation))
        {
            text += (part as SequencePart.Text)?.Value;
            if (part is SequencePart.Image { Value: var image })
                using (image)
                    drawn ??= Oracle.Read(Pictures.ToRgb(image));
        }
        return (drawn, Caption.Parse(text.Trim()));
    }

    private static TransfusionTrainer.Options Options(RunSettings settings, IProgress<TrainingProgress> progress, CancellationToken interruption) =>
        ShapesTraining.Options(settings, progress, interruption) with
        {
            ColumnNames = EditedShape.Columns,
            Generation = Generation,
            // What is edited or described is always clean: only edited pictures and drawings are learned to be drawn.
            Diffusion = DiffusionConfig.Minutes with { ImageFirstMaxTimestep = 0, ImageFirstShare = 0 },
        };
}
