// A sequence in the making: what it has said so far, and what it reads next.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Generation;

internal sealed class GenerationRow : IDisposable
{
    private readonly SpecialTokens _special;
    private readonly int _patchCount;
    private readonly int _maxLength;
    private readonly List<int> _text = [];
    private readonly List<DocumentPart> _parts = [];
    private readonly List<float[]> _drawn = [];
    private int _steps;

    public GenerationRow(RowRequest request, SpecialTokens special, int patchCount, int maxLength)
    {
        (Request, _special, _patchCount, _maxLength) = (request, special, patchCount, maxLength);
        Random = new Generator(request.Seed, CPU);
    }

    public RowRequest Request { get; }

    public Generator Random { get; }

    /// <summary>Null before the prompt is read.</summary>
    public RowCache? Cache { get; set; }

    /// <summary>The prompt, where this row was the one to read it: its fingerprint, its positions, and what followed.</summary>
    public (UInt128 Fingerprint, int Length, float[] Logits)? Prompt { get; set; }

    /// <summary>The positions to read next; empty while an image is denoised.</summary>
    public IReadOnlyList<PassPart> Next { get; set; } = [];

    /// <summary>Parts that are finished.</summary>
    public IReadOnlyList<DocumentPart> Parts => _parts;

    /// <summary>The patches of the images among <see cref="Parts"/>, which outlive the latents.</summary>
    public IReadOnlyList<float[]> Drawn => _drawn;

    /// <summary>Tokens of the text that is being written.</summary>
    public IReadOnlyList<int> Text => _text;

    /// <summary>Whether nothing follows.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Why the row ended before its time; null: it did not.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Σ log p of all tokens, EOS included, under the model itself (temperature 1, no truncation).</summary>
    public double LogLikelihood { get; private set; }

    /// <summary>How many tokens <see cref="LogLikelihood"/> is of.</summary>
    public int LikelihoodCount { get; private set; }

    /// <summary>Every token of the prompt's and the answer's text.</summary>
    public IEnumerable<int> AllText => Request.Prompt.Parts.Concat(_parts).OfType<TextPart>().SelectMany(text => text.TokenIds).Concat(_text);

    /// <summary>Most positions the row can come to have.</summary>
    public int Capacity(int promptLength) => Request.Mode switch
    {
        RowMode.Image => promptLength + _patchCount,
        RowMode.Text => (int)Math.Min(_maxLength, promptLength + (long)Request.Options.MaxNewTokens),
        _ => (int)Math.Min(_maxLength, promptLength + (long)Request.Options.MaxNewTokens * (_patchCount + 2)),
    };

    /// <summary>Whether an image follows what is read next.</summary>
    public bool BeginsImage => Next is [{ TokenIds: [var token] }] && token == _special.BeginOfImage;

    /// <summary>Takes the token that was chosen.</summary>
    public void Take(int token, double logProbability)
    {
        LogLikelihood += logProbability;
        LikelihoodCount++;
        _steps++;
        if (token == _special.EndOfSequence)
        {
            End();
            return;
        }
        Next = [PassPart.Tokens(token)];
        if (token == _special.BeginOfImage)
            FinishText();
        else
            _text.Add(token);
        if (!BeginsImage && _steps >= Request.Options.MaxNewTokens)
            End();
    }

    /// <summary>Takes a finished image [C, H, W], which is read as training saw images that text follows: clean.</summary>
    /// <param name="patches">The same, [P, C·p·p].</param>
    /// <param name="unread">What the network has not read of it yet.</param>
    public void Take(Tensor latents, float[] patches, PassPart unread)
    {
        _parts.Add(new ImagePart(latents));
        _drawn.Add(patches);
        Next = [unread, PassPart.Tokens(_special.EndOfImage)];
        if (Request.Mode == RowMode.Image)
            End();
    }

    /// <summary>Whether another token has room: the limit of tokens, and the context, which in mixed rows keeps room for one more image.</summary>
    public bool HasRoom => _steps < Request.Options.MaxNewTokens
        && Cache!.Length < (Request.Mode == RowMode.Mixed ? _maxLength - _patchCount - 2 : _maxLength);

    public void End()
    {
        FinishText();
        (HasEnded, Next) = (true, []);
    }

    public void Fail(Exception exception)
    {
        Failure = exception;
        End();
    }

    /// <summary>Of a row whose answer nobody takes.</summary>
    public void DisposeImages()
    {
        foreach (ImagePart image in _parts.OfType<ImagePart>())
            image.Latents.Dispose();
    }

    public void Dispose()
    {
        Cache?.Dispose();
        Random.Dispose();
    }

    private void FinishText()
    {
        if (_text.Count > 0)
            _parts.Add(new TextPart([.. _text]));
        _text.Clear();
    }
}
