// How the model is made: by an experiment that has a time budget, or again by one pipeline.
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion;

namespace ModelBuilder;

public partial class PictureModel
{
    /// <summary>The options that are not tried: columns, sizes, seed.</summary>
    internal static TransfusionTrainer.Options Options(int seed) => new() { TextColumnName = nameof(ModelInput.Caption), Seed = seed };

    /// <summary>A folder of captioned pictures, in any convention of docs/data-formats.md.</summary>
    public static IDataView LoadData(MLContext ml, string folder) => ml.Generation.LoadCaptionedImages(folder);

    /// <summary>Tries presets and learning rates for a while and returns the best model.</summary>
    public static GenerationExperimentResult Train(MLContext ml, IDataView data, TimeSpan time, int seed, Action<string> report, CancellationToken cancellation = default)
    {
        #region experiment
        GenerationExperiment experiment = ml.Generation.CreateExperiment(new GenerationExperimentSettings
        {
            MaxExperimentTime = time,
            Options = Options(seed),
            CancellationToken = cancellation,
        });
        GenerationExperimentResult result = experiment.Execute(data, preFeaturizer: LoadPictures(ml), progressHandler: new RunLines(report));
        report($"Best: {result.BestRun.TrainerName}, score {result.BestRun.ValidationMetrics?.Score:F4}.");
        #endregion
        return result;
    }

    /// <summary>Trains the pipeline once, without trying anything.</summary>
    public static ITransformer RetrainPipeline(MLContext ml, IDataView data, TransfusionTrainer.Options options) => BuildPipeline(ml, options).Fit(data);

    /// <summary>Paths become pictures; pictures and captions become a model.</summary>
    public static IEstimator<ITransformer> BuildPipeline(MLContext ml, TransfusionTrainer.Options options) =>
        LoadPictures(ml).Append(ml.Generation.Trainers.Transfusion(options));

    /// <summary>Saves the model; an older one is replaced when the new one is complete.</summary>
    public static void SaveModel(MLContext ml, ITransformer model, IDataView data, string path) => ml.Generation.SaveModel(model, data.Schema, path);

    private static ImageLoadingEstimator LoadPictures(MLContext ml) =>
        ml.Transforms.LoadImages("Image", imageFolder: "", inputColumnName: nameof(ModelInput.ImagePath));

    // Progress<T> would report on another thread, and late.
    private sealed class RunLines(Action<string> report) : IProgress<TransfusionRunDetail>
    {
        public void Report(TransfusionRunDetail run) => report(run.Exception is { } failure
            ? $"{run.TrainerName,-34} failed: {failure.Message}"
            : $"{run.TrainerName,-34} {run.Steps,6} steps {run.RuntimeInSeconds,6:F0} s  language loss {run.ValidationMetrics?.LanguageLoss:F3}  "
                + $"picture error {run.ValidationMetrics?.PictureError:F4}  score {run.ValidationMetrics?.Score:F4}{(run.StoppedEarly ? "  stopped early" : "")}");
    }
}
