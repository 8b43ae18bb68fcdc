// What the model in training can do so far: it captions pictures of the validation set, draws captions, and captions the pictures beside them.
// Every random number of it follows from the generation's own seed and the row, so that training goes the same way with and without.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Imaging;
using Microsoft.ML.Transfusion.Sequences;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class TrainingPreview
{
    private readonly TransfusionTrainer.Options _options;
    private readonly IReadOnlyList<Document> _sampled;
    private readonly IReadOnlyList<Document> _validation;

    public TrainingPreview(IChannel channel, TransfusionTrainer.Options options, IReadOnlyList<Document> documents, IReadOnlyList<Document> validation)
    {
        (_options, _sampled, _validation) = (options, validation.Count > 0 ? validation : documents, validation);
        if (options.SampleInterval is not null && !Pairs(_sampled).Any())
            channel.Warning(MessageSensitivity.None, "SampleInterval is {0}, but there will be no samples: no row of the {1} has exactly one text and one picture.",
                options.SampleInterval, validation.Count > 0 ? "validation set" : "training data");
    }

    /// <summary>Adds captions of the validation set, where its losses are there, and samples, where they are due.</summary>
    public TrainingProgress AddTo(TransfusionModel model, TrainingProgress progress)
    {
        bool validates = progress.ValidationLanguageLoss is not null;
        bool samples = _options.SampleInterval is { } interval && (progress.Fraction >= 1 || progress.Step % interval == 0);
        try
        {
            progress = validates ? progress with { ValidationCaptions = Compare(model) } : progress;
            return samples ? progress with { Samples = Sample(model) } : progress;
        }
        catch (OperationCanceledException) when (_options.CancellationToken.IsCancellationRequested)
        {
            return progress;                                       // the run is about to end, with the model so far
        }
    }

    private CaptionScores? Compare(TransfusionModel model)
    {
        var captions = new List<(string Generated, string Reference)>();
        foreach (Pair[] batch in Pairs(_validation).Take(_options.NumberOfValidationCaptions).Chunk(_options.ScoringBatchSize))
            captions.AddRange(Caption(model, batch).Zip(batch, (generated, pair) => (generated, model.Tokenizer.Decode(pair.Text.TokenIds))));
        return captions.Count == 0 ? null : CaptionScores.Of(captions);
    }

    private TrainingSample[] Sample(TransfusionModel model)
    {
        using var scope = NewDisposeScope();
        Pair[] pairs = [.. Pairs(_sampled).Take(_options.NumberOfSamples)];
        string[] prompts = [.. pairs.Select(pair => model.Tokenizer.Decode(pair.Text.TokenIds))], captions = Caption(model, pairs);
        Tensor[] drawn = model.GenerateImageBatch(prompts, _options.Generation, _options.CancellationToken);
        return [.. pairs.Select((pair, row) => new TrainingSample
        {
            Caption = prompts[row],
            Image = ImageTensors.ToImage(model.Codec.Decode(pair.Image.Latents)),
            GeneratedCaption = captions[row],
            GeneratedImage = ToImage(drawn[row]),
        })];
    }

    private string[] Caption(TransfusionModel model, Pair[] pairs)
    {
        using var scope = NewDisposeScope();
        return model.CaptionBatch([.. pairs.Select(pair => pair.Image.Latents)], _options.Generation, _options.CancellationToken);
    }

    private static MLImage ToImage(Tensor pixels)
    {
        using (pixels)
            return ImageTensors.ToImage(pixels);
    }

    /// <summary>Documents of one text and one picture, in either order. Only of them is it clear what captions what.</summary>
    private static IEnumerable<Pair> Pairs(IEnumerable<Document> documents) => documents.Select(document => document.Parts switch
    {
        [TextPart text, ImagePart image] => new Pair(text, image),
        [ImagePart image, TextPart text] => new Pair(text, image),
        _ => null,
    }).OfType<Pair>();

    private sealed record Pair(TextPart Text, ImagePart Image);
}
