// The façade for applications without a pipeline: text and pictures in and out.
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tokenization;
using Microsoft.ML.Transfusion.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion;

/// <summary>A trained Transfusion model: captions pictures, draws captions, continues mixed sequences, saves and loads. Safe for many threads.</summary>
public sealed class TransfusionModel : IDisposable
{
    /// <summary>The configuration the model was trained with.</summary>
    public TransfusionConfig Config => throw new NotImplementedException();

    internal TextTokenizer Tokenizer => throw new NotImplementedException();

    public string Caption(MLImage image, GenerationOptions? options = null, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public MLImage GenerateImage(string prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public IEnumerable<SequencePart> Generate(IEnumerable<SequencePart> prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public TransfusionScore Score(IEnumerable<SequencePart> document) => throw new NotImplementedException();

    public void Save(string path) => throw new NotImplementedException();

    public void Save(Stream stream) => throw new NotImplementedException();

    public static TransfusionModel Load(string path) => throw new NotImplementedException();

    public static TransfusionModel Load(Stream stream) => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();

    // ---- batches, for the ML.NET adapters and the samples; images are float tensors [3, H, W] in [−1, 1] at the trained size, on the CPU ----

    /// <summary>Trains a model on documents made with the tokenizer and the codec.</summary>
    internal static TransfusionModel Train(TransfusionConfig config, TrainingOptions options, TextTokenizer tokenizer,
        IReadOnlyList<Document> documents, IReadOnlyList<Document> validation) => throw new NotImplementedException();

    /// <summary>Loads onto a device.</summary>
    internal static TransfusionModel Load(Stream stream, Device device) => throw new NotImplementedException();

    internal string[] CaptionBatch(IReadOnlyList<Tensor> images, GenerationOptions options, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Returns float tensors [3, H, W] in [−1, 1], owned by the caller.</summary>
    internal Tensor[] GenerateImageBatch(IReadOnlyList<string> prompts, GenerationOptions options, CancellationToken cancellationToken) => throw new NotImplementedException();

    internal TransfusionScore[] ScoreBatch(IReadOnlyList<Document> documents, CancellationToken cancellationToken) => throw new NotImplementedException();
}
