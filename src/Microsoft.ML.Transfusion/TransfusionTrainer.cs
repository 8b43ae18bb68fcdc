// Columns → documents → training loop → transformer. Long work starts only when options, schema and device are known to be good.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Codecs;
using Microsoft.ML.Transfusion.Data;
using Microsoft.ML.Transfusion.Interop;
using Microsoft.ML.Transfusion.Tokenization;
using Microsoft.ML.Transfusion.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion;

/// <summary>Trains a Transfusion model on rows of text and images, such as captioned pictures, or of text and vectors of one size.</summary>
/// <remarks>
/// The device is the MLContext's: a GPU if <c>GpuDeviceId</c> is set, else the CPU. Messages go to <c>MLContext.Log</c>.
/// </remarks>
public sealed partial class TransfusionTrainer : IEstimator<TransfusionTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly IHost _host;
    private readonly Options _options;
    private readonly PretrainedText? _pretrained;

    internal TransfusionTrainer(IHostEnvironment environment, Options options)
    {
        _environment = environment;                                // asked at Fit: a host keeps the device of the time it was registered
        _host = environment.Register(nameof(TransfusionTrainer));
        _options = options ?? throw _host.Process(new ArgumentNullException(nameof(options)));
        Validate(_host, options);
        _pretrained = PretrainedText.Open(_host, options);
    }

    /// <summary>Reads the data once, trains, and returns the transformer.</summary>
    /// <param name="input">Rows with the document's columns. Rows without any value are skipped; missing values are allowed.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing, or neither text nor image nor a vector of Single of known size.</exception>
    /// <exception cref="InvalidOperationException">There is nothing to learn from, a document is longer than <see cref="TransformerConfig.MaxSequenceLength"/>, the GPU asked for is absent, <see cref="Options.TensorBoardFolder"/> cannot be written, or <see cref="Options.ResumeFrom"/> holds a run with other options or other data.</exception>
    /// <exception cref="ArgumentException"><see cref="Options.ResumeFrom"/> holds no checkpoint, or <see cref="Options.CheckpointFolder"/> holds those of another run.</exception>
    /// <exception cref="FormatException">No checkpoint in <see cref="Options.ResumeFrom"/> can be loaded.</exception>
    /// <exception cref="IOException"><see cref="Options.CheckpointFolder"/> cannot be written, or another run writes to it.</exception>
    public TransfusionTransformer Fit(IDataView input)
    {
        if (input is null)
            throw _host.Process(new ArgumentNullException(nameof(input)));
        _options.Autoencoder?.RequireAlive();
        using IChannel channel = _host.Start("Train");
        using TrainingCheckpoints checkpoints = OpenCheckpoints(ShapeOf(input, _options.ValidationSet), channel);      // before anything is read, and before the board
        TensorBoardLog? board = OpenBoard();
        using TrainingDocuments data = Read(input, _options.ValidationSet, channel, checkpoints.Tokenizer);
        return ToTransformer(Train(data, channel, board, checkpoints: checkpoints), data);
    }

    /// <summary>What the network is made of; a pretrained checkpoint may have decided a part.</summary>
    private TransfusionConfig ConfigOf(DocumentShape shape) => new()
    {
        Transformer = _pretrained?.Transformer ?? _options.Transformer,
        Diffusion = _options.Diffusion,
        Image = ImageOf(_options),
        Latents = LatentsOf(_options),
        Vector = shape.Vector,
    };

    private static LatentConfig? LatentsOf(Options options) => options.Autoencoder is not { } autoencoder ? null : new LatentConfig
    {
        NumberOfChannels = autoencoder.LatentChannels,
        DownsamplingFactor = autoencoder.DownsamplingFactor,
        NumberOfCodes = options.ImageObjective == ImageObjective.DiscreteTokens ? ((VqAutoencoder)autoencoder).NumberOfCodes : null,
    };

    /// <summary>Every code is a position of its own.</summary>
    private static ImageCodecConfig ImageOf(Options options) => options.ImageObjective == ImageObjective.DiscreteTokens
        ? options.Image with { PatchSize = 1, PatchEncoding = PatchEncoding.Linear } : options.Image;

    private int? ChosenSeed => _options.Seed ?? MLNetInternals.SeedOf(_environment);

    private TrainingCheckpoints OpenCheckpoints(DocumentShape shape, IChannel channel)
    {
        TextTokenizer? ready = _pretrained?.Tokenizer ?? _options.Tokenizer.Existing;
        ScalarType precision = Precision.Resolve(_options.Precision, ContextDevice.Of(_environment));
        return TrainingCheckpoints.Open(_host, channel, _options, RunOptions.Of(_options, ConfigOf(shape), shape.Columns, ready, precision), ChosenSeed);
    }

    /// <summary>The event file of a run; null where none is asked for.</summary>
    internal TensorBoardLog? OpenBoard() => TensorBoardLog.Open(_host, _options.TensorBoardFolder);

    /// <summary>Reads all there is to train on, when schema and device are known to be good.</summary>
    /// <param name="vocabulary">That of a run which goes on; null where none does.</param>
    internal TrainingDocuments Read(IDataView input, IDataView? validationSet, IChannel channel, TextTokenizer? vocabulary = null)
    {
        DocumentShape shape = ShapeOf(input, validationSet);
        TransfusionConfig config = ConfigOf(shape);
        ContextDevice.Of(_environment);
        var cache = new DataCache(_host, _options.CacheMemory, _options.CacheFolder);
        try
        {
            LatentCodec unmeasured = LatentCodec.Create(config, _options.Autoencoder?.Stored.Network);
            RowDocuments Documents(IDataView view, string name) =>
                new DocumentReader(_host, channel, shape.Columns, _options.UnreadableImages, config, name, _options.CancellationToken).Read(view, new RowDocuments(config, unmeasured, cache));
            RowDocuments training = Documents(input, "training data");
            RowDocuments validation = validationSet is null ? new RowDocuments(config, unmeasured, cache) : Documents(validationSet, "validation set");
            LatentCodec codec = LatentCodec.Create(training.Measured, _options.Autoencoder?.Stored.Network);
            TextTokenizer tokenizer = vocabulary ?? _pretrained?.Tokenizer ?? _options.Tokenizer.Create(training.Texts);
            var data = new TrainingDocuments(training.Measured, shape.Columns, tokenizer, training.Encode(tokenizer, codec, _host), validation.Encode(tokenizer, codec, _host), cache);
            channel.Info(MessageSensitivity.None, "The data take {0:N0} MiB of memory and {1:N0} MiB of disk.", cache.InMemory >> 20, cache.OnDisk >> 20);
            return data;
        }
        catch
        {
            cache.Dispose();
            throw;
        }
    }

    /// <summary>The trained model as a transformer that owns it.</summary>
    internal TransfusionTransformer ToTransformer(TransfusionModel model, TrainingDocuments data)
    {
        return new TransfusionTransformer(_environment, model, new ScoringConfig(OutputsOf(data.Columns), _options.Generation, _options.ScoringBatchSize), ownsModel: true);
    }

    /// <summary>The input's columns and those that the trained transformer will add.</summary>
    /// <param name="inputSchema">The shape of the training data.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing, or neither text nor image nor a vector of Single of known size.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        if (inputSchema is null)
            throw _host.Process(new ArgumentNullException(nameof(inputSchema)));
        IReadOnlyList<InputColumn> columns = DocumentColumns(new ColumnTypes(_host, inputSchema));
        return OutputSchemas.Append(inputSchema, OutputsOf(columns), ConfigOf(new DocumentShape(columns, Vector: null)));
    }

    private IReadOnlyList<OutputColumn> OutputsOf(IReadOnlyList<InputColumn> columns) => ScoringConfig.OutputsOf(
        columns, _options.GeneratedTextColumnName, _options.GeneratedImageColumnName, _options.GeneratedVectorColumnName, _options.ScoreColumnName);

    /// <summary>The columns of a document, which both views have.</summary>
    private DocumentShape ShapeOf(IDataView input, IDataView? validationSet)
    {
        var types = new ColumnTypes(_host, input.Schema);
        IReadOnlyList<InputColumn> columns = DocumentColumns(types);
        IReadOnlyList<int>? vectors = types.VectorShape(columns);
        if (validationSet is not null)
        {
            var others = new ColumnTypes(_host, validationSet.Schema);
            foreach (InputColumn column in columns)
                others.Require(column, vectors);
        }
        return new DocumentShape(columns, vectors is null ? null : VectorOf(vectors));
    }

    private VectorCodecConfig VectorOf(IReadOnlyList<int> shape)
    {
        if (_options.Autoencoder is not null)
            throw _host.Process(new ArgumentException("Autoencoder makes latents of pictures; the data has vectors in their place. Set it to null."));
        if (_options.HorizontalFlip)
            throw _host.Process(new ArgumentException("HorizontalFlip mirrors pictures; a vector would run backwards. Set it to false."));
        int length = shape[^1], patch = _options.VectorPatchLength ?? DefaultPatchLength(length);
        return length % patch == 0 ? new VectorCodecConfig { Shape = shape, PatchLength = patch }
            : throw _host.Process(new ArgumentException($"VectorPatchLength is {patch}; it must divide the vectors' last dimension, {length}, as {DefaultPatchLength(length)} does."));
    }

    /// <summary>The shortest that leaves 16 patches or fewer.</summary>
    private static int DefaultPatchLength(int length) => Enumerable.Range(1, length).First(patch => length % patch == 0 && length / patch <= 16);

    private IReadOnlyList<InputColumn> DocumentColumns(ColumnTypes types)
    {
        if (_options.ColumnNames is { } names)
            return [.. names.Select(types.Find)];
        InputColumn text = new(_options.TextColumnName, IsImage: false), image = new(_options.ImageColumnName, IsImage: true);
        types.Require(text);
        types.Require(image);
        return [text, image];
    }

    /// <summary>Trains on what was read, by this trainer or by another with the same columns, pictures and vocabulary.</summary>
    /// <param name="board">Of <see cref="OpenBoard"/>.</param>
    /// <param name="validates">Whether the losses on the validation documents are reported.</param>
    /// <param name="afterStep">Called after every step.</param>
    /// <param name="checkpoints">Of <see cref="OpenCheckpoints"/>; null keeps none.</param>
    internal TransfusionModel Train(TrainingDocuments data, IChannel channel, TensorBoardLog? board, bool validates = true,
        Action<TrainingState>? afterStep = null, TrainingCheckpoints? checkpoints = null)
    {
        Device device = ContextDevice.Of(_environment);
        int seed = ChosenSeed ?? checkpoints?.Seed ?? Random.Shared.Next();
        int? steps = _options.NumberOfSteps ?? (_options.MaxTrainingTime is null ? Options.DefaultNumberOfSteps : null);
        channel.Info(MessageSensitivity.None, "Training on {0} documents with {1} tokens of vocabulary, on {2}, seed {3}: {4}.", data.Training.Count,
            data.Tokenizer.VocabularySize, device, seed, $"{(steps is null ? "" : $"{steps} steps at most ")}{_options.MaxTrainingTime}".Trim());

        _options.CancellationToken.ThrowIfCancellationRequested();
        var reporter = new TrainingReporter(_host, channel, _options, board);
        var training = new TrainingOptions(_options.Optimizer, steps, _options.MaxTrainingTime, seed, _options.Precision, device,
            _options.HorizontalFlip, _options.ValidationInterval, reporter, _options.CancellationToken)
        {
            FreezesText = _options.FreezeTextPath,
            SampleInterval = _options.SampleInterval,
            Summarize = reporter.Summarize,
            AfterStep = afterStep,
            ActivationCheckpointing = _options.ActivationCheckpointing,
        };
        if (_pretrained is not null)
            channel.Info(MessageSensitivity.UserData, "Beginning with the weights of {0}: {1}", _options.InitializeFrom, data.Config.Transformer);
        training = checkpoints?.Attach(training, data.Tokenizer, data.Training) ?? training;
        var preview = new TrainingPreview(channel, _options, data.Training, data.Validation);
        return TransfusionModel.Train(data.Config, training, data.Tokenizer, data.Training, validates ? data.Validation : [], _pretrained?.Checkpoint, preview.AddTo, _options.Autoencoder?.Stored);
    }
}
