// What a training run can be told. docs/options.md explains every value; TransfusionTrainer.Validation.cs checks them all at once.
namespace Microsoft.ML.Transfusion;

/// <summary>What happens when a picture of the training data cannot be read.</summary>
public enum UnreadableImages
{
    /// <summary>Its row is left out, named in a warning and counted.</summary>
    Skip,

    /// <summary>Training does not begin; the error names the row.</summary>
    Error,
}

public sealed partial class TransfusionTrainer
{
    /// <summary>Options of <see cref="TransfusionTrainer"/>. Immutable: derive with <c>new TransfusionTrainer.Options { … }</c> or <c>with</c>.</summary>
    public sealed record Options
    {
        /// <summary>Steps that a run takes when neither <see cref="NumberOfSteps"/> nor <see cref="MaxTrainingTime"/> is set: about seven minutes on two CPU cores with the other defaults.</summary>
        public const int DefaultNumberOfSteps = 5000;

        /// <summary>Name of the caption column, of type text; "Caption" by default. A missing or empty value makes its row image-only.</summary>
        public string TextColumnName { get; init; } = "Caption";

        /// <summary>Name of the image column, of any picture size; "Image" by default. A missing value makes its row text-only.</summary>
        public string ImageColumnName { get; init; } = "Image";

        /// <summary>The columns of a document, in order, such as <c>["Instruction", "Source", "Edited"]</c> or <c>["Caption", "Sound"]</c>: text, images, or vectors of Single of one known size in place of images. Null, the default, means the pair of <see cref="TextColumnName"/> and <see cref="ImageColumnName"/>, which are then ignored.</summary>
        public IReadOnlyList<string>? ColumnNames { get; init; }

        /// <summary>Name of the generated text column of the trained transformer; "GeneratedText" by default.</summary>
        public string GeneratedTextColumnName { get; init; } = "GeneratedText";

        /// <summary>Name of the generated image column of the trained transformer; "GeneratedImage" by default.</summary>
        public string GeneratedImageColumnName { get; init; } = "GeneratedImage";

        /// <summary>Name of the generated vector column of the trained transformer, where <see cref="ColumnNames"/> has vectors; "GeneratedVector" by default.</summary>
        public string GeneratedVectorColumnName { get; init; } = "GeneratedVector";

        /// <summary>Name of the score column of the trained transformer; "Score" by default.</summary>
        public string ScoreColumnName { get; init; } = "Score";

        /// <summary>Size of the transformer; <see cref="TransformerConfig.Tiny"/> by default.</summary>
        public TransformerConfig Transformer { get; init; } = TransformerConfig.Tiny;

        /// <summary>A folder with a Llama checkpoint, in Hugging Face's layout or Meta's, whose weights and vocabulary training begins with; the parts for pictures begin anew. Null, the default, begins everything anew.</summary>
        /// <remarks>The checkpoint decides the transformer's architecture: of <see cref="Transformer"/> only <see cref="TransformerConfig.MaxSequenceLength"/> and <see cref="TransformerConfig.LearnedPatchPositions"/> count. A ready <see cref="Tokenizer"/> takes the place of the vocabulary in the folder; one that would be trained does not.</remarks>
        public string? InitializeFrom { get; init; }

        /// <summary>Whether the weights taken from <see cref="InitializeFrom"/> stay as they are, so that the model writes and understands text as before and only its parts for pictures learn. Off by default.</summary>
        public bool FreezeTextPath { get; init; }

        /// <summary>The diffusion half of the recipe; the paper's by default.</summary>
        public DiffusionConfig Diffusion { get; init; } = new();

        /// <summary>The size pictures are trained and drawn at; 32×32 in patches of 4×4 by default.</summary>
        public ImageCodecConfig Image { get; init; } = new();

        /// <summary>Makes latents of pictures, which the network then learns in place of pixels (Transfusion §4.1): one that <see cref="ImageAutoencoderTrainer"/> has trained, or one of diffusers' from <see cref="KlAutoencoder.LoadFolder"/>. Patches are cut from the latents. Pictures are encoded once, before training; the trained model holds a copy. Null, the default, learns pixels.</summary>
        public ImageAutoencoder? Autoencoder { get; init; }

        /// <summary>
        /// What pictures are to the model: continuous patches learned by diffusion (Transfusion), the default; or the codes of a <see cref="VqAutoencoder"/> learned as tokens (Chameleon, which
        /// the paper compares with). The latter needs <see cref="Autoencoder"/> to be one, takes every code as a position, whatever <see cref="ImageCodecConfig.PatchSize"/> says, and leaves <see cref="Diffusion"/> unused but for the shares of its layouts.
        /// </summary>
        public ImageObjective ImageObjective { get; init; } = ImageObjective.Diffusion;

        /// <summary>How far one patch of a vector reaches along its last dimension, a divisor of that. Null, the default, takes the shortest that leaves 16 patches or fewer.</summary>
        public int? VectorPatchLength { get; init; }

        /// <summary>The optimizer and its batch size.</summary>
        public OptimizerConfig Optimizer { get; init; } = new();

        /// <summary>Where the vocabulary comes from; trained on the text columns by default.</summary>
        public TokenizerConfig Tokenizer { get; init; } = TokenizerConfig.TrainOnText();

        /// <summary>Optimizer steps, at least 1. Null, the default, leaves it to <see cref="MaxTrainingTime"/>, or means <see cref="DefaultNumberOfSteps"/> if that is null too. Whichever comes first ends the run.</summary>
        public int? NumberOfSteps { get; init; }

        /// <summary>Time to train, above zero, without the reading of the data; the learning rate's schedule ends with it. Null, the default, sets no limit.</summary>
        public TimeSpan? MaxTrainingTime { get; init; }

        /// <summary>Rows that are not trained on; their losses are reported now and then and at the end. Null, the default, for none. Needs the same columns as the training data.</summary>
        public IDataView? ValidationSet { get; init; }

        /// <summary>Steps between two evaluations of <see cref="ValidationSet"/>, at least 1; 500 by default.</summary>
        public int ValidationInterval { get; init; } = 500;

        /// <summary>Pictures of <see cref="ValidationSet"/> that are captioned at each evaluation and compared with their captions, from its first row on; 64 by default, 0 for none. Only rows of one text and one picture count.</summary>
        public int NumberOfValidationCaptions { get; init; } = 64;

        /// <summary>Steps between two looks at what the model draws and says, at least 1; one more comes at the end. Null, the default, for none. Needs <see cref="Progress"/> or <see cref="TensorBoardFolder"/>, where the samples are shown.</summary>
        public int? SampleInterval { get; init; }

        /// <summary>Captions that are drawn, and pictures beside them that are captioned, in each look: the first rows of <see cref="ValidationSet"/>, or of the training data without one, that have one text and one picture. At least 1; 8 by default.</summary>
        public int NumberOfSamples { get; init; } = 8;

        /// <summary>A folder for TensorBoard's event files: losses, speed, validation and samples over steps. It is made where it is missing; give every run its own, and a resumed run the one it had. Null, the default, for none.</summary>
        public string? TensorBoardFolder { get; init; }

        /// <summary>The seed of everything that is random. Null, the default, takes the MLContext's, or a fresh one if that has none; a resumed run takes the checkpoint's before a fresh one.</summary>
        public int? Seed { get; init; }

        /// <summary>The number format of the network's passes; <see cref="TrainingPrecision.Auto"/> by default.</summary>
        public TrainingPrecision Precision { get; init; } = TrainingPrecision.Auto;

        /// <summary>Whether blocks of the transformer are computed a second time in the backward pass instead of keeping all that they computed: the same gradients from far less memory, for about a third more work. Off by default.</summary>
        public bool ActivationCheckpointing { get; init; }

        /// <summary>Whether images are mirrored in half of their visits. Off by default, because captions say "left". Not with <see cref="Autoencoder"/>.</summary>
        public bool HorizontalFlip { get; init; }

        /// <summary>What happens when a picture cannot be read; <see cref="UnreadableImages.Skip"/> by default.</summary>
        public UnreadableImages UnreadableImages { get; init; } = UnreadableImages.Skip;

        /// <summary>Bytes of memory for the encoded training and validation data, at least 0; 1 GiB by default. A 32×32 picture takes 3 KiB, or 6 KiB if it had to be resized first. What is beyond goes to a memory-mapped file in <see cref="CacheFolder"/>.</summary>
        public long CacheMemory { get; init; } = 1L << 30;

        /// <summary>An existing folder for what <see cref="CacheMemory"/> does not hold. Null, the default, takes the system's temporary folder. The file goes when Fit ends, however it ends.</summary>
        public string? CacheFolder { get; init; }

        /// <summary>How the trained transformer generates; <see cref="GenerationOptions.Fast"/> by default. Saved with it.</summary>
        public GenerationOptions Generation { get; init; } = GenerationOptions.Fast;

        /// <summary>Rows that the trained transformer reads ahead and generates together, at least 1; 32 by default. Saved with it.</summary>
        public int ScoringBatchSize { get; init; } = Data.ScoringConfig.DefaultBatchSize;

        /// <summary>A folder in which the run keeps checkpoints of itself, so that <see cref="ResumeFrom"/> can continue it when the process was killed; made where there is none. Null, the default, keeps none.</summary>
        /// <remarks>One is also written when the run ends or is cancelled. A folder that holds checkpoints already is refused, unless the run resumes from it. docs/checkpoints.md describes the files.</remarks>
        public string? CheckpointFolder { get; init; }

        /// <summary>Steps between two checkpoints, at least 1. Null, the default, leaves it to <see cref="CheckpointTimeInterval"/>; whichever comes first.</summary>
        public int? CheckpointInterval { get; init; }

        /// <summary>Training time between two checkpoints, above zero; five minutes by default. Null leaves it to <see cref="CheckpointInterval"/>; whichever comes first.</summary>
        public TimeSpan? CheckpointTimeInterval { get; init; } = TimeSpan.FromMinutes(5);

        /// <summary>The newest checkpoints that are kept, at least 1; 3 by default. Older ones are deleted when a newer one is safely on the disk.</summary>
        public int NumberOfCheckpoints { get; init; } = 3;

        /// <summary>A folder with checkpoints; training continues from the newest that is whole, as if it had never stopped. Null, the default, begins anew.</summary>
        /// <remarks>
        /// Where it is the same folder as <see cref="CheckpointFolder"/> and holds none yet, the run begins anew: a program that sets both continues
        /// however often it is started. Any other folder must hold a checkpoint. <see cref="NumberOfSteps"/> and <see cref="MaxTrainingTime"/> count
        /// from the first sitting on. Options that would make it another run are refused by name.
        /// </remarks>
        public string? ResumeFrom { get; init; }

        /// <summary>Told about the run, on the training thread, several times a second at most.</summary>
        public IProgress<TrainingProgress>? Progress { get; init; }

        /// <summary>Ends training soon: Fit then returns the model trained so far. Before the first step there is none, and Fit throws <see cref="OperationCanceledException"/>.</summary>
        public CancellationToken CancellationToken { get; init; }
    }
}
