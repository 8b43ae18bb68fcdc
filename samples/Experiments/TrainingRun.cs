// One run: fit, then judge on rows that no run learns from. It happens in a process of its own, which may be killed and started again.
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion;
using Samples.Common;

namespace Experiments;

internal static class TrainingRun
{
    private const int MostPictures = 30_000;
    private const int Shown = 8;
    private static readonly TimeSpan CheckpointInterval = TimeSpan.FromSeconds(20);

    /// <summary>As the Shapes sample draws, but one drawing of a caption, without a choice among several.</summary>
    private static GenerationOptions Generation => GenerationOptions.Fast with { Sampler = DiffusionSamplerType.Ddim, Eta = 1, GuidanceScale = 2, MaxNewTokens = 32 };

    /// <summary>Trains from the newest checkpoint of the folder, or anew, and writes drawn.png there.</summary>
    public static RunResult Run(Experiment experiment, string folder, string? autoencoderFolder)
    {
        MLContext ml = new(experiment.Seed);
        var data = ExperimentData.Open(experiment.Data);
        int rows = Math.Min(MostPictures, experiment.Steps * Experiment.BatchSize);
        IDataView View(IEnumerable<Pair> pairs, bool textOnly) =>
            ml.Data.LoadFromEnumerable(textOnly ? pairs.Select(pair => new Pair { Caption = pair.Caption }) : pairs);
        string checkpoints = Path.Combine(folder, "checkpoints");
        using ImageAutoencoder? autoencoder = autoencoderFolder is null ? null : VqAutoencoder.LoadFolder(autoencoderFolder);
        (TransfusionTransformer model, TrainingDisplay training) = TrainingDisplay.Run((display, interruption) => ml.Generation.Trainers.Transfusion(new TransfusionTrainer.Options
        {
            TextColumnName = nameof(Pair.Caption),
            ImageColumnName = nameof(Pair.Image),
            Transformer = experiment.Transformer,
            Image = experiment.Image,
            Diffusion = experiment.Diffusion,
            Optimizer = experiment.Optimizer,
            ImageObjective = experiment.Objective,
            Autoencoder = autoencoder,
            Generation = Generation,
            ScoringBatchSize = 100,
            NumberOfSteps = experiment.Steps,
            Seed = experiment.Seed,
            CheckpointFolder = checkpoints,
            ResumeFrom = checkpoints,
            CheckpointTimeInterval = CheckpointInterval,
            NumberOfCheckpoints = 1,
            Progress = display,
            CancellationToken = interruption,
        }).Fit(View(HalfText(data.Training(rows, experiment.Seed), experiment.HalfText), experiment.TextOnly)));
        using (model)
            return Judge(ml, experiment, data, model, training, View, folder);
    }

    /// <summary>Every second row without its picture, where that is asked for.</summary>
    private static IEnumerable<Pair> HalfText(IEnumerable<Pair> pairs, bool half) => pairs.Select((pair, at) => half && at % 2 == 1 ? new Pair { Caption = pair.Caption } : pair);

    private static RunResult Judge(MLContext ml, Experiment experiment, ExperimentData data, TransfusionTransformer model, TrainingDisplay training,
        Func<IEnumerable<Pair>, bool, IDataView> view, string folder)
    {
        TransfusionMetrics Losses(IDataView rows)
        {
            IDataView scored = model.Transform(rows);
            return ml.Generation.Evaluate(ml.Transforms.SelectColumns(nameof(Pair.Caption), "Score").Fit(scored).Transform(scored), labelColumnName: nameof(Pair.Caption));
        }
        IDataView pairs = view(data.HeldOut(), false), texts = view(data.HeldOut(), true);
        TransfusionMetrics ofTexts = Losses(texts);
        int textTokens = (int)Math.Round((double)ofTexts.TokenCount!.Value / ofTexts.RowCount) - 1;         // the end is one more
        double Flops(int images) => FlopCount.Training(model.Model.Config, model.Model.VocabularySize, textTokens, images).Total;
        double flops = experiment.TextOnly ? Flops(0) : experiment.HalfText ? (Flops(0) + Flops(1)) / 2 : Flops(1);
        var result = new RunResult
        {
            Flops = flops * experiment.Steps * Experiment.BatchSize,
            TextLoss = ofTexts.BitsPerByte!.Value,
            TrainSeconds = training.Seconds,
        };
        if (experiment.TextOnly)
            return result;
        TransfusionMetrics ofPairs = Losses(pairs);
        PictureGrid.Save(Path.Combine(folder, "drawn.png"), [.. Draw(ml, model, view([.. data.HeldOut().Take(Shown)], true))]);
        return result with
        {
            CaptionLoss = ofPairs.BitsPerByte,
            PictureLoss = ofPairs.DiffusionLoss,
            CaptionsCorrect = model.Transform(pairs).GetColumn<string>("GeneratedText").Zip(data.HeldOut(), (generated, row) => data.Agrees(generated, row.Caption) ? 1.0 : 0).Average(),
            DrawnCorrectly = data.DrawnCorrectly(ml, model.Model, Generation),
        };
    }

    private static IEnumerable<CaptionedPicture> Draw(MLContext ml, TransfusionTransformer model, IDataView captions) =>
        ml.Transforms.GenerateImages("Drawing", model.Model, nameof(Pair.Caption), Generation with { Seed = 1 }).Fit(captions).Transform(captions)
            .GetColumn<MLImage>("Drawing").Zip(captions.GetColumn<string>(nameof(Pair.Caption)), (picture, caption) => new CaptionedPicture(picture, caption));
}
