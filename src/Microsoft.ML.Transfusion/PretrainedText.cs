// What a training run takes over from a Llama checkpoint, checked before any data is read.
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Tokenization;

namespace Microsoft.ML.Transfusion;

/// <param name="Transformer">The checkpoint's architecture with the sequence length and patch positions of the options.</param>
internal sealed record PretrainedText(LlamaCheckpoint Checkpoint, TransformerConfig Transformer, TextTokenizer Tokenizer)
{
    /// <summary>Null where the options name no checkpoint.</summary>
    /// <exception cref="ArgumentException">The folder does not exist, or the text path cannot be frozen.</exception>
    /// <exception cref="FormatException">A file of the folder is missing, is no Llama's, or does not fit the others.</exception>
    public static PretrainedText? Open(IExceptionContext context, TransfusionTrainer.Options options)
    {
        if (options.InitializeFrom is null)
            return options.FreezeTextPath
                ? throw context.Process(new ArgumentException("FreezeTextPath is set without InitializeFrom: a text path that begins at random would never learn. Name a checkpoint, or leave FreezeTextPath out."))
                : null;
        new OptionChecks(context).That(Directory.Exists(options.InitializeFrom), "InitializeFrom", options.InitializeFrom, "a folder that exists");
        try
        {
            LlamaCheckpoint checkpoint = LlamaCheckpoint.Open(options.InitializeFrom);
            TextTokenizer tokenizer = checkpoint.CreateTokenizer(options.Tokenizer.Existing);
            if (options.FreezeTextPath && tokenizer.SpecialTokens.EndOfSequence >= checkpoint.Table.Rows)
                throw new ArgumentException($"FreezeTextPath would keep the model from learning where a text ends: the checkpoint in '{options.InitializeFrom}' has no end of sequence. "
                    + "Name its id as eos_token_id in config.json, or train the text path too.");
            return new PretrainedText(checkpoint, checkpoint.Transformer with
            {
                MaxSequenceLength = options.Transformer.MaxSequenceLength,
                LearnedPatchPositions = options.Transformer.LearnedPatchPositions,
            }, tokenizer);
        }
        catch (Exception exception) when (exception is FormatException or ArgumentException)
        {
            throw context.Process(exception);
        }
    }
}
