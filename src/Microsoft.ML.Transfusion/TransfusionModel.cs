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
/// <remarks>Safe to call from many threads: concurrent calls are computed together.</remarks>
public sealed partial class TransfusionModel : IDisposable
{
    private readonly TransfusionNetwork _network;
    private readonly StoredAutoencoder? _autoencoder;
    private readonly DiffusionProcess _diffusion;
    private readonly Lock _gate = new();
    private IInferenceNetwork? _inference;                  // a copy of the weights as generation wants them, made when it is first needed
    private GenerationQueue? _queue;
    private bool _disposed;

    /// <param name="autoencoder">On the network's device, and the model's from now on; null where it sees no latents.</param>
    private TransfusionModel(TransfusionConfig config, TextTokenizer tokenizer, TransfusionNetwork network, StoredAutoencoder? autoencoder)
    {
        (Config, Tokenizer, Codec, _network, _autoencoder) = (config, tokenizer, LatentCodec.Create(config, autoencoder?.Network), network, autoencoder);
        _diffusion = DiffusionProcess.Create(config.Diffusion, network.Device);
    }

    /// <summary>The configuration the model was trained with.</summary>
    public TransfusionConfig Config { get; }

    /// <summary>Tokens of the text's vocabulary, special ones included; what <see cref="FlopCount"/> asks for.</summary>
    public int VocabularySize => Tokenizer.VocabularySize;

    /// <summary>A call is refused with <see cref="GenerationOverloadException"/> while so many rows of other calls wait for their turn; 1024 by default. Calls that were accepted are computed together, up to 64 rows at once.</summary>
    public int MaxWaitingRows { get; set; } = 1024;

    internal TextTokenizer Tokenizer { get; }

    internal LatentCodec Codec { get; }

    private GenerationQueue Queue
    {
        get
        {
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                _inference ??= _network.Device.type == DeviceType.CPU ? new CpuInference(_network) : new TorchInference(_network);
                return _queue ??= new GenerationQueue(new SequenceGenerator(_inference, Config, Tokenizer.SpecialTokens, Tokenizer.VocabularySize, _diffusion), () => MaxWaitingRows);
            }
        }
    }

    /// <summary>Describes a picture.</summary>
    /// <param name="image">A picture of any size; it is fitted to the trained size and stays the caller's.</param>
    /// <param name="options">How text is chosen; <see cref="GenerationOptions.Fast"/> by default.</param>
    /// <param name="cancellationToken">Honoured within one token.</param>
    /// <returns>The caption; empty if the model has nothing to say.</returns>
    /// <exception cref="InvalidOperationException">The model was trained on vectors, not on pictures.</exception>
    public string Caption(MLImage image, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        using Tensor latents = ToLatents(image);
        return CaptionBatch([latents], options ?? GenerationOptions.Fast, cancellationToken)[0];
    }

    /// <summary>Draws a picture of what a text says.</summary>
    /// <param name="prompt">The text; empty draws anything the model has seen.</param>
    /// <param name="options">Sampler, steps, guidance and seed; <see cref="GenerationOptions.Fast"/> by default.</param>
    /// <param name="cancellationToken">Honoured within one denoising step.</param>
    /// <returns>A picture of the trained size, the caller's to dispose.</returns>
    /// <exception cref="InvalidOperationException">The model was trained on vectors, not on pictures.</exception>
    public MLImage GenerateImage(string prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        RequirePictures();
        using Tensor pixels = GenerateImageBatch([prompt], options ?? GenerationOptions.Fast, cancellationToken)[0];
        return ImageTensors.ToImage(pixels);
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
            ModelArchive.Write(stream, Config, Tokenizer, _network.state_dict(), autoencoder: _autoencoder);
        }
    }

    /// <summary>Writes the text path alone as a Llama checkpoint in Hugging Face's layout, for the option <c>InitializeFrom</c> of the trainer and for programs that know nothing of this library: weights, config.json and the vocabulary. What makes and reads pictures is left out.</summary>
    /// <param name="folder">A folder that does not exist yet, or is empty. It appears when it is complete.</param>
    /// <exception cref="IOException">The folder exists and is not empty, or cannot be written.</exception>
    /// <exception cref="InvalidOperationException">The model has <see cref="TransformerConfig.QueryKeyNorm"/> or <see cref="TransformerConfig.PostNorm"/>, which no Llama has, or its pictures are codes.</exception>
    public void ExportLlama(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        if (Config.NumberOfCodes > 0)
            throw new InvalidOperationException("The vocabulary of this model holds codes of pictures beside text, which no Llama has.");
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
            ForgetWeights();
            _diffusion.Dispose();
            _network.Dispose();
            _autoencoder?.Dispose();
        }
    }

    /// <summary>Generation starts from the network's present weights again.</summary>
    private void ForgetWeights()
    {
        lock (_gate)
        {
            _queue?.Dispose();
            _inference?.Dispose();
            (_queue, _inference) = (null, null);
        }
    }

    private Tensor ToPixels(MLImage image)
    {
        RequirePictures();
        return ImageTensors.ToTensor(image, Config.Image.ImageHeight, Config.Image.ImageWidth);
    }

    private Tensor ToLatents(MLImage image)
    {
        using Tensor pixels = ToPixels(image);
        return Codec.Encode(pixels);
    }

    /// <exception cref="InvalidOperationException">The model was trained on vectors.</exception>
    internal void RequirePictures()
    {
        if (Config.Vector is { } vector)
            throw new InvalidOperationException($"The model was trained on vectors of {vector.ShapeText}, not on pictures. Use its trained transformer, {nameof(GenerateVector)}, or parts of kind {nameof(SequencePart)}.{nameof(SequencePart.Vector)}.");
    }
}
