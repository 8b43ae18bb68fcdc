// What a candidate may not say: how long it trains, and what would need the data read again.
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Transfusion.Experiments;

internal static class CandidateChecks
{
    /// <exception cref="ArgumentException">An option is out of its range, is the experiment's to set, or would need the data read again.</exception>
    public static void Require(IHostEnvironment environment, IExceptionContext context, GenerationCandidate candidate, TransfusionTrainer.Options shared)
    {
        TransfusionTrainer.Options options = candidate.Options;
        _ = new TransfusionTrainer(environment, options);   // checks the ranges
        Refuse(options.NumberOfSteps is not null, "NumberOfSteps");
        Refuse(options.MaxTrainingTime is not null, "MaxTrainingTime");
        Refuse(options.ValidationSet is not null, "ValidationSet");
        Refuse(options.CancellationToken.CanBeCanceled, "CancellationToken");
        Refuse(options.CheckpointFolder is not null, "CheckpointFolder");
        Refuse(options.ResumeFrom is not null, "ResumeFrom");
        RequireSame(options.TextColumnName, shared.TextColumnName, "TextColumnName");
        RequireSame(options.ImageColumnName, shared.ImageColumnName, "ImageColumnName");
        RequireSame(string.Join(", ", options.ColumnNames ?? []), string.Join(", ", shared.ColumnNames ?? []), "ColumnNames");
        RequireSame(options.Image, shared.Image, "Image");
        RequireSame(options.Tokenizer, shared.Tokenizer, "Tokenizer");
        RequireSame(options.InitializeFrom, shared.InitializeFrom, "InitializeFrom");
        RequireSame(options.Transformer.MaxSequenceLength, shared.Transformer.MaxSequenceLength, "Transformer.MaxSequenceLength");

        void Refuse(bool isSet, string option)
        {
            if (isSet)
                throw context.Process(new ArgumentException($"Candidate '{candidate.Name}' sets {option}. Leave it out: an experiment gives every run its time, compares "
                    + "by the validationData of Execute, has a CancellationToken in its own settings, and keeps no checkpoints.", option));
        }

        void RequireSame<T>(T value, T expected, string option)
        {
            if (!EqualityComparer<T>.Default.Equals(value, expected))
                throw context.Process(new ArgumentException($"Candidate '{candidate.Name}' has {option} {value}, and the settings' Options have {expected}. They must agree: the data is read once.", option));
        }
    }
}
