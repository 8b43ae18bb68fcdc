// A mixed answer in the making, as its caller sees it: text in pieces of whole characters, pictures when they are done, previews in between.
using System.Collections.Concurrent;
using Microsoft.ML.Transfusion.Codecs;
using Microsoft.ML.Transfusion.Generation;
using Microsoft.ML.Transfusion.Imaging;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion;

internal sealed class AnswerParts(TextTokenizer tokenizer, LatentCodec codec, TransfusionConfig config) : IDisposable
{
    private const char Undecided = '\uFFFD';                // what bytes decode to that are not a character yet
    private readonly ConcurrentQueue<SequencePart> _ready = new();       // filled by whoever steps, emptied by the caller
    private int _finished;
    private int _images;
    private string _written = "";                           // of the text that is being written

    /// <summary>Takes up what the row has made since the last time.</summary>
    public void Collect(GenerationRow row)
    {
        for (; _finished < row.Parts.Count; _finished++)
        {
            if (row.Parts[_finished] is TextPart text)
            {
                Write(tokenizer.Decode(text.TokenIds));
                _written = "";
                continue;
            }
            using var scope = NewDisposeScope();
            using Tensor latents = ((ImagePart)row.Parts[_finished]).Latents;
            Tensor values = codec.Decode(latents);
            _ready.Enqueue(config.Vector is null ? new SequencePart.Image(ImageTensors.ToImage(values)) : new SequencePart.Vector(values.data<float>().ToArray()));
            _images++;
        }
        if (row.Text.Count > 0)
            Write(tokenizer.Decode(row.Text).TrimEnd(Undecided));
    }

    public void Observe(DenoisingStep step, int previewInterval, IProgress<GenerationProgress>? progress)
    {
        if (previewInterval > 0 && config.Vector is null && step.Step < step.Total && step.Step % previewInterval == 0)
        {
            using var scope = NewDisposeScope();
            _ready.Enqueue(new SequencePart.Preview(ImageTensors.ToImage(codec.Decode(step.Preview())), step.Step, step.Total));
        }
        progress?.Report(new GenerationProgress(_images, step.Step, step.Total));
    }

    /// <summary>The next part; null: there is none yet.</summary>
    public SequencePart? Next() => _ready.TryDequeue(out SequencePart? part) ? part : null;

    /// <summary>Pictures that nobody took.</summary>
    public void Dispose()
    {
        while (Next() is { } part)
            ((part as SequencePart.Image)?.Value ?? (part as SequencePart.Preview)?.Value)?.Dispose();
    }

    private void Write(string text)
    {
        if (text.Length <= _written.Length || !text.StartsWith(_written, StringComparison.Ordinal))
            return;
        _ready.Enqueue(new SequencePart.Text(text[_written.Length..]));
        _written = text;
    }
}
