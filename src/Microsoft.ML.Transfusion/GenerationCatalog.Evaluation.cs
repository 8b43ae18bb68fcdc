// Evaluation on the task catalog, and what other tools evaluate. docs/evaluation.md is the guide.
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Data;

namespace Microsoft.ML.Transfusion;

public sealed partial class GenerationCatalog
{
    private IHost Host => ((IHostEnvironment)_context).Register(nameof(GenerationCatalog));

    /// <summary>Judges what a trained transformer added to held-out data: <c>Evaluate(model.Transform(test))</c>.</summary>
    /// <remarks>Reads the columns it needs once, in one cursor, and no pictures of <c>GeneratedImage</c>. A column under its default name may be missing, which leaves its metrics null.</remarks>
    /// <param name="data">The scored data.</param>
    /// <param name="labelColumnName">The captions that people wrote: text, or a vector of texts. Null leaves caption metrics out.</param>
    /// <param name="generatedTextColumnName">The captions to judge. Null leaves caption metrics out, and nothing is captioned.</param>
    /// <param name="scoreColumnName">The losses. Null leaves them out.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has another type, or there is nothing to evaluate.</exception>
    /// <exception cref="InvalidOperationException">The data has no rows.</exception>
    public TransfusionMetrics Evaluate(IDataView data, string? labelColumnName = EvaluationOptions.DefaultLabel,
        string? generatedTextColumnName = EvaluationOptions.DefaultText, string? scoreColumnName = EvaluationOptions.DefaultScore) =>
        Evaluate(data, new EvaluationOptions
        {
            LabelColumnName = labelColumnName,
            GeneratedTextColumnName = generatedTextColumnName,
            ScoreColumnName = scoreColumnName,
        });

    /// <summary>Judges what a trained transformer added to held-out data, with several references a picture or the Fréchet distance of its drawings.</summary>
    /// <param name="data">The scored data; read once, in one cursor, and only the columns that are needed.</param>
    /// <param name="options">What to compare.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has another type, or there is nothing to evaluate.</exception>
    /// <exception cref="ArgumentException">The Fréchet distance is asked for, but real or drawn pictures' features are not.</exception>
    /// <exception cref="InvalidOperationException">The data has no rows, or fewer than two pictures for the Fréchet distance.</exception>
    public TransfusionMetrics Evaluate(IDataView data, EvaluationOptions options)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(options);
        return Evaluator.Evaluate(Host, data, options);
    }

    /// <summary>Compares pictures with what an autoencoder left of them: <c>EvaluateReconstruction(autoencoder.Transform(test))</c>. Pictures are fitted to the reconstructions' size; rows without a picture are passed over.</summary>
    /// <param name="data">What a trained <see cref="ImageAutoencoderTransformer"/> returns for pictures that it was not trained on.</param>
    /// <param name="imageColumnName">The real pictures.</param>
    /// <param name="reconstructedImageColumnName">The reconstructed ones.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has another type.</exception>
    /// <exception cref="InvalidOperationException">No row has both pictures.</exception>
    public ReconstructionMetrics EvaluateReconstruction(IDataView data, string imageColumnName = "Image", string reconstructedImageColumnName = "ReconstructedImage")
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(imageColumnName);
        ArgumentNullException.ThrowIfNull(reconstructedImageColumnName);
        return ReconstructionEvaluator.Evaluate(Host, data, imageColumnName, reconstructedImageColumnName);
    }

    /// <summary>Writes captions as coco-caption reads results: <c>[{"image_id": 7, "caption": "a red circle"}, …]</c>. An existing file is replaced as a whole.</summary>
    /// <param name="data">A view with the captions; of rows with one id, the first is written.</param>
    /// <param name="path">The JSON file.</param>
    /// <param name="textColumnName">The captions to judge.</param>
    /// <param name="imageIdColumnName">The pictures' ids, whole numbers as COCO has them, or text; null for the number of the row, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has another type.</exception>
    public void SaveCaptions(IDataView data, string path, string textColumnName = EvaluationOptions.DefaultText, string? imageIdColumnName = null) =>
        new CocoCaptionFiles(Host, data, imageIdColumnName).SaveResults(path, textColumnName);

    /// <summary>Writes reference captions as coco-caption reads annotations: <c>{"images": [{"id": 7}, …], "annotations": [{"id": 1, "image_id": 7, "caption": "…"}, …]}</c>. An existing file is replaced as a whole.</summary>
    /// <param name="data">A view with the captions; rows with one id are references of one picture.</param>
    /// <param name="path">The JSON file.</param>
    /// <param name="labelColumnName">The captions that people wrote: text, or a vector of texts.</param>
    /// <param name="imageIdColumnName">The pictures' ids, whole numbers as COCO has them, or text; null for the number of the row, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has another type.</exception>
    public void SaveReferenceCaptions(IDataView data, string path, string labelColumnName = EvaluationOptions.DefaultLabel, string? imageIdColumnName = null) =>
        new CocoCaptionFiles(Host, data, imageIdColumnName).SaveAnnotations(path, labelColumnName);

    /// <summary>Writes the pictures of a column as <c>00000.png</c>, <c>00001.png</c>, … by row, as pytorch-fid and clean-fid read them; missing ones are left out.</summary>
    /// <param name="data">A view with the pictures; a generated column is drawn as it is read.</param>
    /// <param name="folder">A folder that is empty or does not exist yet: strange pictures in it would be counted.</param>
    /// <param name="imageColumnName">The pictures, drawn or real.</param>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or has another type.</exception>
    /// <exception cref="ArgumentException">The folder has files in it.</exception>
    public void SaveImages(IDataView data, string folder, string imageColumnName = EvaluationOptions.DefaultDrawing) =>
        ImageFolder.Save(Host, data, folder, imageColumnName);

    /// <summary>Draws GenEval's prompts into the folders that its evaluation reads: <c>00000/metadata.jsonl</c>, the prompt's line as it stands, and <c>00000/samples/0000.png</c> to <c>0003.png</c>.</summary>
    /// <param name="model">The model that draws.</param>
    /// <param name="promptsPath">GenEval's <c>evaluation_metadata.jsonl</c>: a JSON object with the string <c>prompt</c> on each line.</param>
    /// <param name="folder">A folder that is empty or does not exist yet.</param>
    /// <param name="options">Sampler, steps and guidance; <see cref="GenerationOptions.Fast"/> if null. Sample n of each prompt is drawn with the options' seed plus n.</param>
    /// <param name="samplesPerPrompt">Pictures of each prompt, 1 to 10,000; GenEval takes 4.</param>
    /// <param name="batchSize">Prompts that go through the network together, at least 1.</param>
    /// <param name="cancellationToken">Ends between batches; what is drawn stays.</param>
    /// <exception cref="FormatException">A line is no JSON object with a prompt.</exception>
    /// <exception cref="ArgumentException">The folder has files in it, or an argument is out of its range.</exception>
    public void SaveGenEval(TransfusionModel model, string promptsPath, string folder, GenerationOptions? options = null, int samplesPerPrompt = 4,
        int batchSize = ScoringConfig.DefaultBatchSize, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        model.RequirePictures();
        ArgumentException.ThrowIfNullOrEmpty(promptsPath);
        ArgumentOutOfRangeException.ThrowIfLessThan(samplesPerPrompt, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(samplesPerPrompt, 10_000);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        options ??= GenerationOptions.Fast;
        new OptionChecks(Host).Generation(options, nameof(options), model.Config.Diffusion);
        GenEvalPrompt[] prompts = GenEvalFolder.ReadPrompts(promptsPath);
        GenEvalFolder.Save(Host, model, prompts, folder, options, samplesPerPrompt, batchSize, cancellationToken);
    }
}
