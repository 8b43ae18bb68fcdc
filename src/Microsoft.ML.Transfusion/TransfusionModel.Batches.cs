// What the ML.NET adapters and the samples call: training, loading onto a device, and many rows at once. Latents go in, as the codec makes them;
// values come out, float tensors on the CPU: pixels [3, H, W] in [−1, 1], or vectors.
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
    /// <param name="autoencoder">Made the documents' latents; the model keeps a copy.</param>
    internal static TransfusionModel Train(TransfusionConfig config, TrainingOptions options, TextTokenizer tokenizer,
        IReadOnlyList<Document> documents, IReadOnlyList<Document> validation, LlamaCheckpoint? initial = null,
        Func<TransfusionModel, TrainingProgress, TrainingProgress>? preview = null, StoredAutoencoder? autoencoder = null)
    {
        NativeTorch.Require();
        TransfusionNetwork network = CreateNetwork(config, tokenizer.VocabularySize);
        using (var generator = new Generator((ulong)options.Seed, CPU))
        {
            network.Initialize(generator);
            initial?.CopyTo(network, generator);
        }
        network.to(options.Device);
        var model = new TransfusionModel(config, tokenizer, network, autoencoder?.Copy(options.Device));
        TrainingOptions previewed = preview is null ? options : options with
        {
            Preview = progress =>
            {
                model.ForgetWeights();
                return preview(model, progress);
            },
        };
        new TrainingLoop(network, config, tokenizer.SpecialTokens, previewed).Run(documents, validation);
        KeepWeights(network);
        model.ForgetWeights();
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
        archive.Autoencoder?.Network.MoveTo(device);
        return new TransfusionModel(archive.Config, archive.Tokenizer, network, archive.Autoencoder);
    }

    internal string[] CaptionBatch(IReadOnlyList<Tensor> latents, GenerationOptions options, CancellationToken cancellationToken) =>
        ContinueTexts([.. latents.Select(image => new Document([new ImagePart(image)]))], [.. latents.Select(image => RowSeed.Of(options.Seed, image))], options, cancellationToken);

    /// <summary>Continues every document with text until its end.</summary>
    /// <param name="seeds">One for each document.</param>
    internal string[] ContinueTexts(IReadOnlyList<Document> prompts, IReadOnlyList<ulong> seeds, GenerationOptions options, CancellationToken cancellationToken)
    {
        options.Validate();
        int candidates = options.NumberOfCandidates;
        IReadOnlyList<GenerationRow> rows = Queue.Run([.. prompts.SelectMany((prompt, at) => Enumerable.Range(0, candidates).Select(candidate =>
            new RowRequest(prompt, RowMode.Text, options, RowSeed.Candidate(seeds[at], candidate)) { CancellationToken = cancellationToken }))]);
        return [.. rows.Chunk(candidates).Select(answers => answers.MaxBy(row => row.LikelihoodCount == 0 ? double.NegativeInfinity : row.LogLikelihood / row.LikelihoodCount)!)
            .Select(row => Tokenizer.Decode(row.Parts.OfType<TextPart>().SelectMany(text => text.TokenIds)))];
    }

    /// <summary>Draws every prompt; the values are the caller's.</summary>
    internal Tensor[] GenerateImageBatch(IReadOnlyList<string> prompts, GenerationOptions options, CancellationToken cancellationToken)
    {
        int[][] ids = [.. prompts.Select(prompt => Tokenizer.Encode(prompt))];
        return DrawImages([.. ids.Select(prompt => new Document([new TextPart(prompt)]))], [.. ids.Select(prompt => RowSeed.Of(options.Seed, prompt))], options, cancellationToken);
    }

    /// <summary>Draws one picture or vector after every document; the values are the caller's.</summary>
    /// <param name="seeds">One for each document.</param>
    /// <param name="start">Where all of them start; null: at pure noise.</param>
    /// <param name="observe">Told about every denoising step.</param>
    internal Tensor[] DrawImages(IReadOnlyList<Document> prompts, IReadOnlyList<ulong> seeds, GenerationOptions options, CancellationToken cancellationToken,
        ImageStart? start = null, Action<DenoisingStep>? observe = null)
    {
        options.Validate();
        options.RequireFit(Config.Diffusion);
        int candidates = options.NumberOfImageCandidates;
        if (candidates > 1 && prompts.Any(prompt => prompt.Parts is not [TextPart]))
            throw new ArgumentException($"{nameof(GenerationOptions.NumberOfImageCandidates)} is {candidates}, and a prompt is not one text: there is no caption to judge the candidates by. Set it to 1.", nameof(options));
        int[]? negative = options.NegativePrompt.Length == 0 ? null : Tokenizer.Encode(options.NegativePrompt);
        IReadOnlyList<GenerationRow> rows = Queue.Run([.. prompts.SelectMany((prompt, at) => Enumerable.Range(0, candidates).Select(candidate => new RowRequest(prompt, RowMode.Image, options, RowSeed.Candidate(seeds[at], candidate))
        {
            NegativePrompt = negative,
            Start = start,
            Observe = observe,
            CancellationToken = cancellationToken,
        }))]);
        using var scope = NewDisposeScope();
        Tensor[] drawn = [.. rows.Select(row => ((ImagePart)row.Parts[^1]).Latents)];
        foreach (Tensor latents in drawn)
            scope.Attach(latents);
        return [.. Best(drawn, prompts, candidates).Select(latents => Codec.Decode(latents).DetachFromDisposeScope())];
    }

    /// <summary>Of each prompt's pictures the one whose caption the prompt is likeliest to be.</summary>
    private IEnumerable<Tensor> Best(Tensor[] drawn, IReadOnlyList<Document> prompts, int candidates)
    {
        if (candidates == 1)
            return drawn;
        double[][] likelihoods = LogLikelihoods(drawn, [.. prompts.SelectMany(prompt => Enumerable.Repeat<int[][]>([((TextPart)prompt.Parts[0]).TokenIds], candidates))]);
        return drawn.Zip(likelihoods).Chunk(candidates).Select(ofPrompt => ofPrompt.MaxBy(candidate => candidate.Second[0]).First);
    }

    /// <summary>How likely each candidate is as the caption of each picture.</summary>
    internal CaptionLikelihood[][] RankBatch(IReadOnlyList<Tensor> latents, IReadOnlyList<string> candidates)
    {
        int[][] ids = [.. candidates.Select(candidate => Tokenizer.Encode(candidate))];
        return [.. LogLikelihoods(latents, [.. latents.Select(_ => ids)]).Select(ofImage =>
        {
            double largest = ofImage.Max(), sum = ofImage.Sum(score => Math.Exp(score - largest));
            return ofImage.Select((score, at) => new CaptionLikelihood(candidates[at], score, ids[at].Length + 1, Math.Exp(score - largest) / sum)).ToArray();
        })];
    }

    /// <summary>log p(caption | picture) of each picture's own captions, token ids.</summary>
    private double[][] LogLikelihoods(IReadOnlyList<Tensor> latents, IReadOnlyList<IReadOnlyList<int[]>> captions)
    {
        SpecialTokens special = Tokenizer.SpecialTokens;
        RequireRoom(Config.Grid.PatchCount + 3 + captions.Max(ofImage => ofImage.Max(caption => caption.Length)));
        List<IReadOnlyList<PassPart>> prompts = [.. latents.Select(image => (IReadOnlyList<PassPart>)
            [PassPart.Tokens(special.BeginOfSequence), .. CleanImage.Parts(Config.Grid.PatchValues(image), Config, special)])];
        bool[] allowed = SequenceGenerator.Allow(special, Tokenizer.VocabularySize + Config.NumberOfCodes, special.EndOfSequence);
        return Queue.Use(() => CaptionRanker.Rank(_inference!, prompts, captions, special.EndOfSequence, allowed));
    }

    private void RequireRoom(int positions)
    {
        if (positions > Config.Transformer.MaxSequenceLength)
            throw new ArgumentException($"This takes {positions} positions; the model's context has {Config.Transformer.MaxSequenceLength} ({nameof(TransformerConfig.MaxSequenceLength)}). Shorten the text.");
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
        config.Transformer, vocabularySize + config.NumberOfCodes, config.Grid.PatchVectorSize, config.Grid.PatchCount, config.UNet);
}
