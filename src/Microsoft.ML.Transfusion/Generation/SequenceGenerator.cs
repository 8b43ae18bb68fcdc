// Text and images from a trained network: captions, drawings, and mixed sequences in which the model itself decides on images.
using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Generation;

internal sealed class SequenceGenerator(TransfusionNetwork network, TransfusionConfig config, SpecialTokens special, int vocabularySize) : IDisposable
{
    private readonly DiffusionProcess _diffusion = DiffusionProcess.Create(config.Diffusion, network.Device);

    /// <summary>Continues prompts of one layout with text until EOS; returns token ids by row, without special tokens.</summary>
    /// <param name="prompts">Documents, as they stand before the answer.</param>
    /// <param name="generators">One for each row.</param>
    public int[][] ContinueText(IReadOnlyList<Document> prompts, GenerationOptions options, IReadOnlyList<Generator> generators, CancellationToken cancellationToken)
    {
        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        using SequenceBatch batch = Prompt(prompts);
        using var session = new GenerationSession(network, config.Image, prompts.Count, batch.Mask.Length + (long)options.MaxNewTokens);
        Tensor allowed = Allow(special.EndOfSequence);
        Tensor logits = session.Prefill(batch);
        var rows = prompts.Select(_ => new List<int>()).ToArray();
        var ended = new bool[prompts.Count];
        for (int count = 0; count < options.MaxNewTokens && session.Length < network.Config.MaxSequenceLength; count++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var next = new long[prompts.Count];
            for (int row = 0; row < prompts.Count; row++)
            {
                next[row] = ended[row] ? special.EndOfSequence : TokenSampler.Sample(logits[row], allowed, options, generators[row]);
                ended[row] |= next[row] == special.EndOfSequence;
                if (!ended[row])
                    rows[row].Add((int)next[row]);
            }
            if (ended.All(end => end))
                break;
            using var step = NewDisposeScope();
            logits = session.Append(tensor(next)).MoveToOuterDisposeScope();
        }
        return [.. rows.Select(row => row.ToArray())];
    }

    /// <summary>Draws one image after each prompt; prompts have one layout. Returns latents [B, C, H, W].</summary>
    public Tensor DrawImages(IReadOnlyList<Document> prompts, GenerationOptions options, IReadOnlyList<Generator> generators, CancellationToken cancellationToken)
    {
        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        using SequenceBatch batch = Prompt(prompts, beginsImage: true);
        using var conditional = new GenerationSession(network, config.Image, prompts.Count, batch.Mask.Length + config.Image.PatchCount);
        conditional.Prefill(batch);
        using GenerationSession? unconditional = options.GuidanceScale == 1 ? null : Unconditional(prompts.Count);
        return Denoise(conditional, unconditional, options, generators, cancellationToken).MoveToOuterDisposeScope();
    }

    /// <summary>Continues one prompt with text and images until EOS, the token limit or the end of the context; parts come as they are finished.</summary>
    public IEnumerable<DocumentPart> Generate(Document prompt, GenerationOptions options, Generator generator, CancellationToken cancellationToken)
    {
        long capacity = SequenceBatch.LengthOf(prompt.Parts, config.Image.PatchCount) + (long)options.MaxNewTokens * (config.Image.PatchCount + 2);
        using var session = new GenerationSession(network, config.Image, 1, capacity);
        using Tensor allowed = Allow(special.EndOfSequence, special.BeginOfImage).DetachFromDisposeScope();
        using var logits = new Latest(Prefill(session, prompt));
        var text = new List<int>();
        int limit = network.Config.MaxSequenceLength - config.Image.PatchCount - 2;     // room for one more image
        for (int count = 0; count < options.MaxNewTokens && session.Length < limit; count++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int token = Sample(logits.Value, allowed, options, generator);
            if (token == special.EndOfSequence)
                break;
            if (token != special.BeginOfImage)
            {
                text.Add(token);
                logits.Value = Append(session, token);
                continue;
            }
            if (text.Count > 0)
                yield return new TextPart([.. text]);
            text.Clear();
            Tensor latents;
            using (inference_mode())
            {
                logits.Value = Append(session, token);
                using GenerationSession? unconditional = options.GuidanceScale == 1 ? null : Unconditional(1);
                latents = Denoise(session, unconditional, options, [generator], cancellationToken);
                session.AppendImages(latents);
            }
            logits.Value = Append(session, special.EndOfImage);
            var image = new ImagePart(latents.squeeze(0).DetachFromDisposeScope());
            latents.Dispose();
            yield return image;
        }
        if (text.Count > 0)
            yield return new TextPart([.. text]);
    }

    public void Dispose() => _diffusion.Dispose();

    private Tensor Prefill(GenerationSession session, Document prompt)
    {
        using var inference = inference_mode();
        using SequenceBatch batch = Prompt([prompt]);
        return session.Prefill(batch);
    }

    private static Tensor Append(GenerationSession session, int token)
    {
        using var inference = inference_mode();
        using Tensor ids = tensor([(long)token]);
        return session.Append(ids);
    }

    private static int Sample(Tensor logits, Tensor allowed, GenerationOptions options, Generator generator)
    {
        using var scope = NewDisposeScope();
        return TokenSampler.Sample(logits[0], allowed, options, generator);
    }

    // x_T is pure noise; each step overwrites x_t by x_{t−1} in place (Transfusion §3). Noise is drawn row by row, so that a row does not
    // depend on its neighbours.
    private Tensor Denoise(GenerationSession conditional, GenerationSession? unconditional, GenerationOptions options, IReadOnlyList<Generator> generators, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        using DiffusionSampler sampler = _diffusion.CreateSampler(options);
        Tensor sample = Noise(generators);
        foreach ((int step, double timestep) in sampler.Timesteps.Index())
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var stepScope = NewDisposeScope();
            Tensor prediction = conditional.Denoise(sample, timestep);
            if (unconditional is not null)
                prediction = ClassifierFreeGuidance.Combine(prediction, unconditional.Denoise(sample, timestep), options.GuidanceScale, options.GuidanceRescale);
            sample = sampler.Step(prediction, step, sample, sampler.IsStochastic ? Noise(generators) : null).MoveToOuterDisposeScope();
        }
        return sample.MoveToOuterDisposeScope();
    }

    private Tensor Noise(IReadOnlyList<Generator> generators)
    {
        using var scope = NewDisposeScope();
        long[] shape = [Codecs.PixelCodec.Channels, config.Image.ImageHeight, config.Image.ImageWidth];
        return stack([.. generators.Select(generator => randn(shape, generator: generator))]).to(network.Device).MoveToOuterDisposeScope();
    }

    /// <summary>What training saw where a caption was dropped: BOS BOI.</summary>
    private GenerationSession Unconditional(int rows)
    {
        using SequenceBatch batch = Prompt([.. Enumerable.Repeat(new Document([]), rows)], beginsImage: true);
        var session = new GenerationSession(network, config.Image, rows, batch.Mask.Length + config.Image.PatchCount);
        session.Prefill(batch).Dispose();
        return session;
    }

    private SequenceBatch Prompt(IReadOnlyList<Document> prompts, bool beginsImage = false)
    {
        DocumentPart[] ending = beginsImage ? [new TextPart([special.BeginOfImage])] : [];
        return SequenceBatch.Create([.. prompts.Select(prompt => new ArrangedDocument([.. prompt.Parts, .. ending], []))], special, config.Image.PatchCount, endSequences: false);
    }

    /// <summary>0 for text tokens and the given special ones, −∞ for the other special ones; [V].</summary>
    private Tensor Allow(params int[] specialTokens)
    {
        using var scope = NewDisposeScope();
        Tensor allowed = zeros(vocabularySize, device: network.Device);
        int[] all = [special.Padding, special.BeginOfSequence, special.EndOfSequence, special.BeginOfImage, special.EndOfImage];
        foreach (int token in all.Except(specialTokens))
            allowed[token] = float.NegativeInfinity;
        return allowed.MoveToOuterDisposeScope();
    }

    /// <summary>Holds one tensor at a time, outside of dispose scopes: an iterator's caller may open and close its own between two parts.</summary>
    private sealed class Latest(Tensor first) : IDisposable
    {
        public Tensor Value
        {
            get;
            set
            {
                field.Dispose();
                field = value.DetachFromDisposeScope();
            }
        } = first.DetachFromDisposeScope();

        public void Dispose() => Value.Dispose();
    }
}
