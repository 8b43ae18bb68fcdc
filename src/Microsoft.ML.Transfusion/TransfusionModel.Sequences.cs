// Mixed sequences: continued with text and pictures, as they are made.
using System.Runtime.CompilerServices;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Generation;
using Microsoft.ML.Transfusion.Imaging;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion;

public sealed partial class TransfusionModel
{
    /// <summary>
    /// Continues a sequence of text and pictures until the model ends it. Text comes as it is decided, in pieces that never cut a character; a picture
    /// comes when it is done, after as many <see cref="SequencePart.Preview"/> as <see cref="GenerationOptions.PreviewInterval"/> asks for. The model
    /// itself decides where a picture begins.
    /// </summary>
    /// <param name="prompt">Text and pictures in order; may be empty, and then the model begins on its own.</param>
    /// <param name="options">How text and pictures are chosen; <see cref="GenerationOptions.MaxNewTokens"/> bounds the answer.</param>
    /// <param name="progress">Told about every denoising step, while the model waits: it must not call the model.</param>
    /// <param name="cancellationToken">Honoured within one token or denoising step.</param>
    /// <exception cref="ArgumentException">The prompt does not fit the context, or an option is out of its range.</exception>
    /// <exception cref="GenerationOverloadException">Too many rows wait already.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; parts that came before are whole.</exception>
    public IEnumerable<SequencePart> Generate(IEnumerable<SequencePart> prompt, GenerationOptions? options = null, IProgress<GenerationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        options ??= GenerationOptions.Fast;
        options.Validate();
        options.RequireFit(Config.Diffusion);
        return Stream(prompt, options, progress, cancellationToken);
    }

    /// <summary>The same for callers that must not wait; the work is done on the thread pool.</summary>
    /// <inheritdoc cref="Generate"/>
    public IAsyncEnumerable<SequencePart> GenerateAsync(IEnumerable<SequencePart> prompt, GenerationOptions? options = null, IProgress<GenerationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        IEnumerable<SequencePart> parts = Generate(prompt, options, progress, cancellationToken);
        return Enumerate(parts, cancellationToken);

        static async IAsyncEnumerable<SequencePart> Enumerate(IEnumerable<SequencePart> parts, [EnumeratorCancellation] CancellationToken cancellation)
        {
            using IEnumerator<SequencePart> enumerator = parts.GetEnumerator();
            while (await Task.Run(enumerator.MoveNext, cancellation).ConfigureAwait(false))
                yield return enumerator.Current;
        }
    }

    /// <summary>Draws one picture right after a document, whatever the model would say next: an edit, where it was trained on sources, instructions and results.</summary>
    /// <param name="prompt">Text and pictures in order; may be empty.</param>
    /// <param name="options">Sampler, steps, guidance and seed; <see cref="GenerationOptions.Fast"/> by default.</param>
    /// <param name="cancellationToken">Honoured within one denoising step.</param>
    /// <returns>A picture of the trained size, the caller's to dispose.</returns>
    /// <exception cref="ArgumentException">The prompt does not fit the context, or an option is out of its range.</exception>
    public MLImage GenerateImage(IEnumerable<SequencePart> prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default) => Answer(prompt, document =>
    {
        RequirePictures();
        options ??= GenerationOptions.Fast;
        using Tensor pixels = DrawImages([document], [RowSeed.Of(options.Seed, document)], options, cancellationToken)[0];
        return ImageTensors.ToImage(pixels);
    });

    /// <summary>Makes one vector right after a document: <see cref="GenerateImage(IEnumerable{SequencePart}, GenerationOptions?, CancellationToken)"/> for models that were trained on vectors.</summary>
    /// <param name="prompt">Text and vectors in order; may be empty.</param>
    /// <param name="options">Sampler, steps, guidance and seed; <see cref="GenerationOptions.Fast"/> by default.</param>
    /// <param name="cancellationToken">Honoured within one denoising step.</param>
    /// <returns>The values, in the order of <see cref="VectorCodecConfig.Shape"/>.</returns>
    /// <exception cref="ArgumentException">The prompt does not fit the context, or an option is out of its range.</exception>
    /// <exception cref="InvalidOperationException">The model was trained on pictures, not on vectors.</exception>
    public float[] GenerateVector(IEnumerable<SequencePart> prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default) => Answer(prompt, document =>
    {
        if (Config.Vector is null)
            throw new InvalidOperationException($"The model was trained on pictures, not on vectors. Use {nameof(GenerateImage)}.");
        options ??= GenerationOptions.Fast;
        using Tensor values = DrawImages([document], [RowSeed.Of(options.Seed, document)], options, cancellationToken)[0];
        return values.data<float>().ToArray();
    });

    /// <summary>Continues a document with text alone, until the model ends it.</summary>
    /// <param name="prompt">Text and pictures in order; may be empty.</param>
    /// <param name="options">How text is chosen; <see cref="GenerationOptions.Fast"/> by default.</param>
    /// <param name="cancellationToken">Honoured within one token.</param>
    /// <returns>The text; empty if the model has nothing to say.</returns>
    /// <exception cref="ArgumentException">The prompt does not fit the context, or an option is out of its range.</exception>
    public string GenerateText(IEnumerable<SequencePart> prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default) => Answer(prompt, document =>
    {
        options ??= GenerationOptions.Fast;
        return ContinueTexts([document], [RowSeed.Of(options.Seed, document)], options, cancellationToken)[0];
    });

    /// <summary>How likely the model finds given captions of a picture: classification by ranking, as the paper evaluates multiple choice (§4.1).</summary>
    /// <param name="image">A picture of any size; it is fitted to the trained size and stays the caller's.</param>
    /// <param name="candidates">The captions, at least one.</param>
    /// <param name="cancellationToken">Honoured before the work begins.</param>
    /// <returns>One for each candidate, in their order.</returns>
    public IReadOnlyList<CaptionLikelihood> Rank(MLImage image, IReadOnlyList<string> candidates, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(candidates);
        if (candidates.Count == 0 || candidates.Contains(null))
            throw new ArgumentException("Ranking needs at least one candidate, and none that is null.", nameof(candidates));
        cancellationToken.ThrowIfCancellationRequested();
        using Tensor latents = ToLatents(image);
        return RankBatch([latents], candidates)[0];
    }

    private IEnumerable<SequencePart> Stream(IEnumerable<SequencePart> prompt, GenerationOptions options, IProgress<GenerationProgress>? progress, CancellationToken cancellationToken)
    {
        GenerationQueue queue = Queue;
        Document document = ToDocument(prompt);
        IReadOnlyList<GenerationRow> rows = [];
        var answer = new AnswerParts(Tokenizer, Codec, Config);
        try
        {
            int images = document.Parts.OfType<ImagePart>().Count();
            rows = queue.Submit([new RowRequest(document, RowMode.Mixed, options, (ulong)options.Seed)
            {
                NegativePrompt = options.NegativePrompt.Length == 0 ? null : Tokenizer.Encode(options.NegativePrompt),
                CancellationToken = cancellationToken,
                Observe = step => answer.Observe(step, options.PreviewInterval, progress),
            }]);
            bool ended = false;
            while (!ended)
            {
                ended = queue.Step(rows, () => answer.Collect(rows[0]));
                while (answer.Next() is { } part)
                    yield return part;
            }
            if (rows[0].Failure is { } failure)
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
        finally
        {
            queue.Abandon(rows);
            answer.Dispose();
            foreach (ImagePart image in document.Parts.OfType<ImagePart>())
                image.Latents.Dispose();
        }
    }

    private T Answer<T>(IEnumerable<SequencePart> prompt, Func<Document, T> answer)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        using var scope = NewDisposeScope();
        Document document = ToDocument(prompt);
        return answer(document);
    }

    private Document ToDocument(IEnumerable<SequencePart> parts) => new([.. parts.Select(part => part switch
    {
        SequencePart.Text text => (DocumentPart)new TextPart(Tokenizer.Encode(text.Value)),
        SequencePart.Image image => new ImagePart(ToLatents(image.Value)),
        SequencePart.Vector vector => new ImagePart(ToLatents(vector.Values)),
        SequencePart.Preview => throw new ArgumentException("A preview is no part of a sequence: leave it out of the prompt.", nameof(parts)),
        _ => throw new ArgumentException("A part is null.", nameof(parts)),
    })]);

    private Tensor ToLatents(float[] vector)
    {
        if (Config.Vector is not { } config)
            throw new ArgumentException("The model was trained on pictures, not on vectors.", nameof(vector));
        if (vector.Length != config.NumberOfValues || !vector.All(float.IsFinite))
            throw new ArgumentException($"The vector has {vector.Length} values{(vector.All(float.IsFinite) ? "" : ", not all of them finite")}; the model needs {config.NumberOfValues} ({config.ShapeText}).", nameof(vector));
        using Tensor values = tensor(vector, [config.NumberOfChannels, 1, config.Length]);
        return Codec.Encode(values);
    }
}
