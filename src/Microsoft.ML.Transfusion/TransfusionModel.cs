// The façade for applications without a pipeline: text and pictures in and out.
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Codecs;
using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Evaluation;
using Microsoft.ML.Transfusion.Generation;
using Microsoft.ML.Transfusion.Imaging;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Tokenization;
using Microsoft.ML.Transfusion.Torch;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion;

/// <summary>A trained Transfusion model: captions pictures, draws captions, continues mixed sequences, saves and loads.</summary>
/// <remarks>Safe to call from many threads: calls take turns at the network.</remarks>
public sealed class TransfusionModel : IDisposable
{
    private readonly TransfusionNetwork _network;
    private readonly SequenceGenerator _generator;
    private readonly Lock _gate = new();
    private bool _disposed;

    private TransfusionModel(TransfusionConfig config, TextTokenizer tokenizer, TransfusionNetwork network)
    {
        (Config, Tokenizer, _network) = (config, tokenizer, network);
        _generator = new SequenceGenerator(network, config, tokenizer.SpecialTokens, tokenizer.VocabularySize);
    }

    /// <summary>The configuration the model was trained with.</summary>
    public TransfusionConfig Config { get; }

    internal TextTokenizer Tokenizer { get; }

    /// <summary>Describes a picture.</summary>
    /// <param name="image">A picture of any size; it is fitted to the trained size and stays the caller's.</param>
    /// <param name="options">How text is chosen; <see cref="GenerationOptions.Fast"/> by default.</param>
    /// <param name="cancellationToken">Honoured within one token.</param>
    /// <returns>The caption; empty if the model has nothing to say.</returns>
    public string Caption(MLImage image, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        using Tensor pixels = ToPixels(image);
        return CaptionBatch([pixels], options ?? GenerationOptions.Fast, cancellationToken)[0];
    }

    /// <summary>Draws a picture of what a text says.</summary>
    /// <param name="prompt">The text; empty draws anything the model has seen.</param>
    /// <param name="options">Sampler, steps, guidance and seed; <see cref="GenerationOptions.Fast"/> by default.</param>
    /// <param name="cancellationToken">Honoured within one denoising step.</param>
    /// <returns>A picture of the trained size, the caller's to dispose.</returns>
    public MLImage GenerateImage(string prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        using Tensor pixels = GenerateImageBatch([prompt], options ?? GenerationOptions.Fast, cancellationToken)[0];
        return ImageTensors.ToImage(pixels);
    }

    /// <summary>Continues a sequence of text and pictures with text and pictures, until the model ends it; parts come as they are finished.</summary>
    /// <param name="prompt">Text and pictures in order; may be empty.</param>
    /// <param name="options">How text and pictures are chosen; <see cref="GenerationOptions.MaxNewTokens"/> bounds the answer.</param>
    /// <param name="cancellationToken">Honoured within one token or denoising step.</param>
    public IEnumerable<SequencePart> Generate(IEnumerable<SequencePart> prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        options ??= GenerationOptions.Fast;
        options.Validate();
        options.RequireFit(Config.Diffusion);
        Document document = ToDocument(prompt);
        using var generator = new Generator((ulong)options.Seed, CPU);
        using IEnumerator<DocumentPart> parts = _generator.Generate(document, options, generator, cancellationToken).GetEnumerator();
        try
        {
            while (NextPart(parts) is { } part)
                yield return part;
        }
        finally
        {
            foreach (ImagePart image in document.Parts.OfType<ImagePart>())
                image.Latents.Dispose();
        }
    }

    /// <summary>How well the model predicts a document, at fixed noise.</summary>
    /// <param name="document">Text and pictures in order.</param>
    public TransfusionScore Score(IEnumerable<SequencePart> document)
    {
        ArgumentNullException.ThrowIfNull(document);
        using var scope = NewDisposeScope();
        return ScoreBatch([ToDocument(document)], CancellationToken.None)[0];
    }

    /// <summary>Saves the model; an existing file is replaced only when the new one is complete.</summary>
    /// <param name="path">The file.</param>
    public void Save(string path) => AtomicFile.Write(path, Save);

    /// <summary>Saves the model to a stream, which stays open.</summary>
    /// <param name="stream">A writable stream.</param>
    public void Save(Stream stream)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            ModelArchive.Write(stream, Config, Tokenizer, _network.state_dict());
        }
    }

    /// <summary>Writes the text path alone as a Llama checkpoint in Hugging Face's layout, for the option <c>InitializeFrom</c> of the trainer and for programs that know nothing of this library: weights, config.json and the vocabulary. What makes and reads pictures is left out.</summary>
    /// <param name="folder">A folder that does not exist yet, or is empty. It appears when it is complete.</param>
    /// <exception cref="IOException">The folder exists and is not empty, or cannot be written.</exception>
    /// <exception cref="InvalidOperationException">The model has <see cref="TransformerConfig.QueryKeyNorm"/>, which no Llama has.</exception>
    public void ExportLlama(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            LlamaCheckpoint.Write(folder, _network, Tokenizer);
        }
    }

    /// <summary>Loads a model onto the CPU.</summary>
    /// <param name="path">A file that <see cref="Save(string)"/> wrote.</param>
    /// <exception cref="FormatException">The file is damaged, of a newer format, or not a model.</exception>
    public static TransfusionModel Load(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Load(stream);
    }

    /// <summary>Loads a model onto the CPU.</summary>
    /// <param name="stream">A readable stream at the model's first byte; it stays open.</param>
    /// <exception cref="FormatException">The stream is damaged, of a newer format, or not a model.</exception>
    public static TransfusionModel Load(Stream stream) => Load(stream, CPU);

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
                return;
            _disposed = true;
            _generator.Dispose();
            _network.Dispose();
        }
    }

    // ---- batches, for the ML.NET adapters and the samples; images are float tensors [3, H, W] in [−1, 1] at the trained size, on the CPU ----

    /// <summary>Trains a model on documents made with the tokenizer and the codec.</summary>
    /// <param name="initial">Where the text path's weights come from; null: all begin at random.</param>
    internal static TransfusionModel Train(TransfusionConfig config, TrainingOptions options, TextTokenizer tokenizer,
        IReadOnlyList<Document> documents, IReadOnlyList<Document> validation, LlamaCheckpoint? initial = null)
    {
        NativeTorch.Require();
        TransfusionNetwork network = CreateNetwork(config, tokenizer.VocabularySize);
        using (var generator = new Generator((ulong)options.Seed, CPU))
        {
            network.Initialize(generator);
            initial?.CopyTo(network, generator);
        }
        network.to(options.Device);
        new TrainingLoop(network, config, tokenizer.SpecialTokens, options).Run(documents, validation);
        KeepWeights(network);
        return new TransfusionModel(config, tokenizer, network);
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

    private SequencePart? NextPart(IEnumerator<DocumentPart> parts)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!parts.MoveNext())
                return null;
        }
        if (parts.Current is TextPart text)
            return new SequencePart.Text(Tokenizer.Decode(text.TokenIds));
        using var scope = NewDisposeScope();
        using Tensor latents = ((ImagePart)parts.Current).Latents;
        return new SequencePart.Image(ImageTensors.ToImage(PixelCodec.Decode(latents).cpu()));
    }

    private Document ToDocument(IEnumerable<SequencePart> parts) => new([.. parts.Select(part => part switch
    {
        SequencePart.Text text => (DocumentPart)new TextPart(Tokenizer.Encode(text.Value)),
        SequencePart.Image image => new ImagePart(ToLatents(image.Value)),
        _ => throw new ArgumentException("A part is null.", nameof(parts)),
    })]);

    private Tensor ToLatents(MLImage image)
    {
        using Tensor pixels = ToPixels(image);
        return PixelCodec.Encode(pixels);
    }

    private Tensor ToPixels(MLImage image) => ImageTensors.ToTensor(image, Config.Image.ImageHeight, Config.Image.ImageWidth);

    /// <summary>A model outlives the dispose scope that it was made in.</summary>
    private static void KeepWeights(TransfusionNetwork network)
    {
        foreach (Tensor weight in network.state_dict().Values)
            weight.DetachFromDisposeScope();
    }

    private static TransfusionNetwork CreateNetwork(TransfusionConfig config, int vocabularySize) => new(
        config.Transformer, vocabularySize, PixelCodec.Channels * config.Image.PatchSize * config.Image.PatchSize, config.Image.PatchCount);
}
