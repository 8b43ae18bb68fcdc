// Text and images from a trained network: rows in different modes, of different lengths, in one pass of the network a step. A step gives every row
// that writes one token and every image that is drawn one denoising step; rows join and leave between steps.
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Generation;

/// <summary>Not for several threads at once: <see cref="GenerationQueue"/> is.</summary>
internal sealed class SequenceGenerator(IInferenceNetwork network, TransfusionConfig config, SpecialTokens special, int vocabularySize, DiffusionProcess diffusion) : IDisposable
{
    private const int MaxPostponed = 3;
    private const long MaxPromptBytes = 64L << 20;
    private readonly List<GenerationRow> _rows = [];
    private readonly List<IGrowingImages> _images = [];
    private readonly bool[] _textTokens = Allow(special, vocabularySize + config.NumberOfCodes, special.EndOfSequence);
    private readonly bool[] _mixedTokens = Allow(special, vocabularySize + config.NumberOfCodes, special.EndOfSequence, special.BeginOfImage);
    private readonly bool _drawsCodes = config.NumberOfCodes > 0;
    private readonly PromptCache _prompts = new(MaxPromptBytes);
    private int _postponed;                                 // steps that unread prompts have waited
    private RowCache? _dropped;                             // BOS, and BOI before patches: what training saw where a caption was dropped

    /// <summary>Rows that have not ended.</summary>
    public int Count => _rows.Count;

    /// <exception cref="ArgumentException">The prompt leaves no room in the context.</exception>
    public GenerationRow CreateRow(RowRequest request)
    {
        int length = SequenceBatch.LengthOf(request.Prompt.Parts, config.Grid.PatchCount) - 1, most = config.Transformer.MaxSequenceLength;
        int needed = length + (request.Mode == RowMode.Image ? config.Grid.PatchCount + 1 : 0);
        if (needed > most)
            throw new ArgumentException($"The prompt takes {length} positions{(needed > length ? $", a picture {needed - length} more" : "")}; the model's context has {most} "
                + $"({nameof(TransformerConfig.MaxSequenceLength)}). Shorten the prompt.", nameof(request));
        return new(request, special, config.Grid.PatchCount, most);
    }

    /// <summary>The row takes part from the next step on; it is disposed once it has ended.</summary>
    public void Admit(GenerationRow row) => _rows.Add(row);

    /// <summary>One token or denoising step for every row.</summary>
    public void Step()
    {
        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        foreach (GenerationRow row in _rows.Where(row => !row.HasEnded && row.Request.CancellationToken.IsCancellationRequested))
            row.Fail(new OperationCanceledException(row.Request.CancellationToken));
        try
        {
            Advance();
        }
        catch (Exception exception)                         // not hidden: every row's owner is told
        {
            foreach (GenerationRow row in _rows)
                row.Fail(exception);
        }
        foreach (IGrowingImages images in _images.Where(images => images.HasEnded))
            images.Dispose();
        _images.RemoveAll(images => images.HasEnded);
        foreach (GenerationRow row in _rows.Where(row => row.HasEnded))
        {
            Keep(row);
            row.Dispose();
        }
        _rows.RemoveAll(row => row.HasEnded);
    }

    public void Dispose()
    {
        foreach (GenerationRow row in _rows)
            row.Fail(new ObjectDisposedException(nameof(SequenceGenerator)));
        foreach (IDisposable part in (IEnumerable<IDisposable>)[.. _images, .. _rows])
            part.Dispose();
        _rows.Clear();
        _images.Clear();
        _dropped?.Dispose();
        _prompts.Dispose();
    }

    private void Advance()
    {
        GenerationRow[] alive = [.. _rows.Where(row => !row.HasEnded)];
        Reading[] readings =
        [
            .. Unread(alive).Select(same => Prefill(same.Key, [.. same])),
            .. alive.Where(row => row.Next.Count > 0 && !BeginsCodes(row)).Select(row => new Reading([row], new RowPass(row.Cache!, row.Next, row.BeginsImage ? PassResult.None : PassResult.LastLogits))),
        ];
        GenerationRow[] beginning = [.. alive.Where(BeginsCodes)];
        IGrowingImages[] drawing = [.. _images.Where(images => !images.HasEnded)];
        RowPass[] passes = [.. readings.Where(reading => !reading.IsKnown).Select(reading => reading.Pass), .. drawing.SelectMany(images => images.Begin())];
        if (passes.Length > 0)
            network.Run(passes);
        foreach (IGrowingImages images in drawing)
            images.End();
        foreach (Reading reading in readings)
        {
            (GenerationRow[] rows, RowPass pass) = (reading.Rows, reading.Pass);
            if (reading is { IsKnown: false, Prompt: { } prompt })
                rows[0].Prompt = (prompt, pass.Cache.Length, pass.Result);
            foreach (GenerationRow row in rows.Skip(1))
                row.Cache = pass.Cache.Clone(row.Capacity(pass.Cache.Length));
            beginning = [.. beginning, .. rows.Where(row => !Continue(row, pass.Result))];
        }
        BeginImages(beginning);
    }

    /// <summary>Rows whose prompts are read in this step, those of one prompt together. While there are rows that go on, prompts that would keep some threads busy and leave others without wait a few steps for more.</summary>
    private IGrouping<UInt128, GenerationRow>[] Unread(GenerationRow[] alive)
    {
        IGrouping<UInt128, GenerationRow>[] prompts = [.. alive.Where(row => row.Cache is null).GroupBy(row => Fingerprint(row.Request))];
        int odd = prompts.Length % network.Threads;
        bool waits = odd > 0 && _postponed < MaxPostponed && alive.Any(row => row.Cache is not null);
        _postponed = waits ? _postponed + 1 : 0;
        return waits ? prompts[..^odd] : prompts;
    }

    /// <summary>The first pass of rows with one prompt, which is read once.</summary>
    private Reading Prefill(UInt128 prompt, GenerationRow[] rows)
    {
        RowRequest request = rows[0].Request;
        if ((_prompts.Find(prompt, rows[0].Capacity) ?? Find(prompt, rows[0].Capacity)) is { } known)
        {
            rows[0].Cache = known.Cache;
            return new Reading(rows, new RowPass(known.Cache, [], PassResult.None) { Result = known.Logits }, prompt, IsKnown: true);
        }
        List<PassPart> parts = [PassPart.Tokens(special.BeginOfSequence)];
        foreach (DocumentPart part in request.Prompt.Parts)
            if (part is TextPart text)
                parts.Add(PassPart.Tokens(text.TokenIds));
            else
                parts.AddRange(CleanImage.Parts(config.Grid.PatchValues(((ImagePart)part).Latents), config, special));
        bool draws = request.Mode == RowMode.Image;
        if (draws && !_drawsCodes)
            parts.Add(PassPart.Tokens(special.BeginOfImage));
        rows[0].Cache = network.CreateCache(rows[0].Capacity(parts.Sum(part => part.TokenIds?.Length ?? part.PatchCount)));
        return new Reading(rows, new RowPass(rows[0].Cache!, parts, draws ? PassResult.None : PassResult.LastLogits), prompt);
    }

    /// <summary>A prompt that a row has read which goes on.</summary>
    private (RowCache Cache, float[] Logits)? Find(UInt128 prompt, Func<int, int> capacity) =>
        _rows.Find(row => row.Prompt?.Fingerprint == prompt) is { Prompt: { } read, Cache: { } cache } ? (cache.Clone(capacity(read.Length), read.Length), read.Logits) : null;

    /// <summary>What an ended row has read of its prompt may serve others.</summary>
    private void Keep(GenerationRow row)
    {
        if (row is not { Prompt: { } read, Cache: { } cache })
            return;
        row.Cache = null;
        cache.Shorten(read.Length);
        _prompts.Add(read.Fingerprint, cache, read.Logits);
    }

    /// <summary>What a row does after its positions are read.</summary>
    /// <returns>False where it begins an image.</returns>
    private bool Continue(GenerationRow row, float[] logits)
    {
        GenerationOptions options = row.Request.Options;
        if (logits.Length == 0)
        {
            row.Next = [];
            return false;
        }
        if (!row.HasRoom)
            row.End();
        else
        {
            bool[] allowed = row.Request.Mode == RowMode.Mixed ? _mixedTokens : _textTokens;
            (int token, double logProbability) = TokenSampler.Sample(logits, allowed, options, row.AllText, row.Random);
            row.Take(token, logProbability);
        }
        return true;
    }

    /// <summary>Whether a row's image begins with the step: codes' own steps read BOI.</summary>
    private bool BeginsCodes(GenerationRow row) => _drawsCodes && row.BeginsImage;

    private void BeginImages(IReadOnlyList<GenerationRow> rows)
    {
        foreach (GenerationRow row in rows)
            row.Next = [];
        foreach (IGrouping<object, GenerationRow> alike in rows.GroupBy(row => DenoisingImages.Settings(row.Request)))
            _images.Add(_drawsCodes
                ? new CodeImages([.. alike], Unconditional([.. alike]), config.Grid, special, vocabularySize + config.NumberOfCodes)
                : new DenoisingImages([.. alike], Unconditional([.. alike]), diffusion, config.Grid, config.SampleBound));
    }

    /// <summary>What guidance leads away from: for each row all before the image without its text, as training saw it now and then; or with its negative prompt instead.</summary>
    private RowCache?[] Unconditional(GenerationRow[] rows)
    {
        var caches = new RowCache?[rows.Length];
        if (rows[0].Request.Options.GuidanceScale == 1)
            return caches;
        float[][][] images = [.. rows.Select(row => (float[][])[.. row.Request.Prompt.Parts.OfType<ImagePart>().Select(image => config.Grid.PatchValues(image.Latents)), .. row.Drawn])];
        // Rows without images before share what they lead away from.
        foreach (IGrouping<string, int> same in Enumerable.Range(0, rows.Length).GroupBy(row => images[row].Length > 0 ? $"row {row}" : string.Join(' ', rows[row].Request.NegativePrompt ?? [])))
        {
            int first = same.First();
            int[] negative = rows[first].Request.NegativePrompt ?? [];
            bool isKept = images[first].Length == 0 && negative.Length == 0;
            RowCache read = isKept ? _dropped ??= ReadUnconditional([], []) : ReadUnconditional(images[first], negative);
            foreach (int row in same)
                caches[row] = read.Clone(read.Length + config.Grid.PatchCount);
            if (!isKept)
                read.Dispose();
        }
        return caches;
    }

    private RowCache ReadUnconditional(float[][] images, int[] negativePrompt)
    {
        PassPart[] parts =
        [
            PassPart.Tokens(special.BeginOfSequence),
            .. images.SelectMany(image => CleanImage.Parts(image, config, special)),
            .. negativePrompt.Length == 0 ? (PassPart[])[] : [PassPart.Tokens(negativePrompt)],
            .. _drawsCodes ? (PassPart[])[] : [PassPart.Tokens(special.BeginOfImage)],
        ];
        RowCache cache = network.CreateCache(parts.Sum(part => part.TokenIds?.Length ?? part.PatchCount));
        network.Run([new RowPass(cache, parts, PassResult.None)]);
        return cache;
    }

    /// <summary>Rows whose prompts have one fingerprint share one pass over it.</summary>
    private static UInt128 Fingerprint(RowRequest request)
    {
        using var scope = NewDisposeScope();
        var hash = new XxHash128();
        hash.Append([(byte)request.Mode]);
        foreach (DocumentPart part in request.Prompt.Parts)
        {
            ReadOnlySpan<byte> bytes = part is TextPart text ? MemoryMarshal.AsBytes<int>(text.TokenIds) : ((ImagePart)part).Latents.contiguous().bytes;
            hash.Append(MemoryMarshal.AsBytes<int>([part is TextPart ? 0 : 1, bytes.Length]));
            hash.Append(bytes);
        }
        return hash.GetCurrentHashAsUInt128();
    }

    /// <summary>Text tokens and the given special ones.</summary>
    /// <param name="vocabularySize">Codes of pictures included.</param>
    public static bool[] Allow(SpecialTokens special, int vocabularySize, params int[] specialTokens)
    {
        int[] all = [special.Padding, special.BeginOfSequence, special.EndOfSequence, special.BeginOfImage, special.EndOfImage];
        return [.. Enumerable.Range(0, vocabularySize).Select(id => id < special.FirstCode && (specialTokens.Contains(id) || !all.Contains(id)))];
    }

    /// <param name="Prompt">The fingerprint of the prompt that is read; null: rows go on.</param>
    /// <param name="IsKnown">Whether the pass need not be run.</param>
    private sealed record Reading(GenerationRow[] Rows, RowPass Pass, UInt128? Prompt = null, bool IsKnown = false);
}
