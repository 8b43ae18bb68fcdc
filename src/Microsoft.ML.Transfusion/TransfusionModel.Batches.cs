// What the ML.NET adapters and the samples call: training, loading onto a device, and many rows at once. Images are float tensors [3, H, W] in
// [−1, 1] of the trained size, on the CPU.
using Microsoft.ML.Transfusion.Codecs;
using Microsoft.ML.Transfusion.Evaluation;
using Microsoft.ML.Transfusion.Generation;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Tokenization;
using Microsoft.ML.Transfusion.Torch;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion;

public sealed partial class TransfusionModel
{
    /// <summary>Trains a model on documents made with the tokenizer and the codec.</summary>
    /// <param name="initial">Where the text path's weights come from; null: all begin at random.</param>
    /// <param name="preview">Adds to a report what the model can do so far; null: nothing.</param>
    internal static TransfusionModel Train(TransfusionConfig config, TrainingOptions options, TextTokenizer tokenizer,
        IReadOnlyList<Document> documents, IReadOnlyList<Document> validation, LlamaCheckpoint? initial = null,
        Func<TransfusionModel, TrainingProgress, TrainingProgress>? preview = null)
    {
        NativeTorch.Require();
        TransfusionNetwork network = CreateNetwork(config, tokenizer.VocabularySize);
        using (var generator = new Generator((ulong)options.Seed, CPU))
        {
            network.Initialize(generator);
            initial?.CopyTo(network, generator);
        }
        network.to(options.Device);
        var model = new TransfusionModel(config, tokenizer, network);
        TrainingOptions previewed = preview is null ? options : options with { Preview = progress => preview(model, progress) };
        new TrainingLoop(network, config, tokenizer.SpecialTokens, previewed).Run(documents, validation);
        KeepWeights(network);
        return model;
    }

    /// <summary>Loads onto a device.</summary>
    internal static TransfusionModel Load(Stream stream, Device device)
    {
        NativeTorch.Require();
        using var scope = NewDisposeScope();
        ModelArchive archive = ModelArchive.Read(stream);
        TransfusionNetwork network = CreateNetwork(archive.Config, archive.Tokenizer.VocabularySize);
        network.Load(archive.Weights);
        network.to(device);
        network.eval();
        KeepWeights(network);
        return new TransfusionModel(archive.Config, archive.Tokenizer, network);
    }

    internal string[] CaptionBatch(IReadOnlyList<Tensor> images, GenerationOptions options, CancellationToken cancellationToken)
    {
        options.Validate();
        if (images.Count == 0)
            return [];
        List<Document> prompts = [.. images.Select(image => new Document([new ImagePart(image)]))];
        using var seeds = new RowGenerators(images.Select(image => RowGenerators.Seed(options.Seed, image)));
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return [.. _generator.ContinueText(prompts, options, seeds.Generators, cancellationToken).Select(ids => Tokenizer.Decode(ids))];
        }
    }

    /// <summary>Returns float tensors [3, H, W] in [−1, 1], owned by the caller.</summary>
    internal Tensor[] GenerateImageBatch(IReadOnlyList<string> prompts, GenerationOptions options, CancellationToken cancellationToken)
    {
        options.Validate();
        options.RequireFit(Config.Diffusion);
        var images = new Tensor[prompts.Count];
        var documents = prompts.Select((prompt, row) => (Row: row, Ids: Tokenizer.Encode(prompt)));
        foreach (var group in documents.GroupBy(document => document.Ids.Length))
        {
            List<Document> rows = [.. group.Select(document => new Document([new TextPart(document.Ids)]))];
            using var seeds = new RowGenerators(group.Select(document => RowGenerators.Seed(options.Seed, document.Ids)));
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                using var scope = NewDisposeScope();
                Tensor pixels = PixelCodec.Decode(_generator.DrawImages(rows, options, seeds.Generators, cancellationToken)).cpu();
                foreach ((int row, int at) in group.Select((document, at) => (document.Row, at)))
                    images[row] = pixels[at].clone().DetachFromDisposeScope();
            }
        }
        return images;
    }

    /// <summary>Both losses of every document, laid out as they stand, at fixed timesteps and noise.</summary>
    internal TransfusionScore[] ScoreBatch(IReadOnlyList<Document> documents, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return DocumentScorer.Score(_network, Config, Tokenizer.SpecialTokens, documents);
        }
    }

    /// <summary>How good it is, in numbers that models of other recipes share.</summary>
    internal TransfusionValidationMetrics Validate(IReadOnlyList<Document> documents, int batchSize)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return ValidationScorer.Evaluate(_network, Config, Tokenizer.SpecialTokens, documents, batchSize);
        }
    }

    /// <summary>A model outlives the dispose scope that it was made in.</summary>
    private static void KeepWeights(TransfusionNetwork network)
    {
        foreach (Tensor weight in network.state_dict().Values)
            weight.DetachFromDisposeScope();
    }

    private static TransfusionNetwork CreateNetwork(TransfusionConfig config, int vocabularySize) => new(
        config.Transformer, vocabularySize, PixelCodec.Channels * config.Image.PatchSize * config.Image.PatchSize, config.Image.PatchCount);
}
