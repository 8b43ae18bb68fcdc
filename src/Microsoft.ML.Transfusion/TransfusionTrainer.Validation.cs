// Every option is checked before long work starts. A message names the option, its value and what to do.
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Sequences;

namespace Microsoft.ML.Transfusion;

public sealed partial class TransfusionTrainer
{
    /// <exception cref="ArgumentException">An option is out of its range, or two contradict each other.</exception>
    private static void Validate(IExceptionContext context, Options options)
    {
        var check = new OptionChecks(context);
        ValidateColumns(check, options);
        ValidateTransformer(check, options.Transformer, options.Image);
        bool discrete = options.ImageObjective == ImageObjective.DiscreteTokens;
        check.That(Enum.IsDefined(options.ImageObjective), "ImageObjective", options.ImageObjective, "a value of ImageObjective");
        check.That(!discrete || options.Autoencoder is VqAutoencoder, "Autoencoder", options.Autoencoder?.GetType().Name ?? "null",
            "a VqAutoencoder with ImageObjective.DiscreteTokens, whose codes are the tokens: train one with Trainers.ImageAutoencoder and its NumberOfCodes, or load one");
        check.That(!discrete || options.InitializeFrom is null, "InitializeFrom", options.InitializeFrom, "null with ImageObjective.DiscreteTokens: its vocabulary has no codes of pictures");
        ValidateImage(check, ImageOf(options), options.Autoencoder?.DownsamplingFactor ?? 1);
        ValidateDiffusion(check, options.Diffusion);
        ValidateOptimizer(check, options.Optimizer);
        check.That(options.NumberOfSteps is not < 1, "NumberOfSteps", options.NumberOfSteps, "at least 1, or null");
        check.That(options.MaxTrainingTime is null || options.MaxTrainingTime > TimeSpan.Zero, "MaxTrainingTime", options.MaxTrainingTime, "above zero, or null");
        check.That(options.ValidationInterval >= 1, "ValidationInterval", options.ValidationInterval, "at least 1");
        ValidateReports(check, options);
        check.That(options.CheckpointFolder is not { } folder || !string.IsNullOrWhiteSpace(folder), "CheckpointFolder", "''", "the name of a folder, or null");
        check.That(options.ResumeFrom is not { } resume || !string.IsNullOrWhiteSpace(resume), "ResumeFrom", "''", "the name of a folder, or null");
        check.That(options.CheckpointInterval is not < 1, "CheckpointInterval", options.CheckpointInterval, "at least 1, or null");
        check.That(options.CheckpointTimeInterval is null || options.CheckpointTimeInterval > TimeSpan.Zero, "CheckpointTimeInterval", options.CheckpointTimeInterval, "above zero, or null");
        check.That(options.NumberOfCheckpoints >= 1, "NumberOfCheckpoints", options.NumberOfCheckpoints, "at least 1");
        check.That(options.ScoringBatchSize >= 1, "ScoringBatchSize", options.ScoringBatchSize, "at least 1");
        check.That(options.Autoencoder is null || !options.HorizontalFlip, "HorizontalFlip", options.HorizontalFlip, "false with an Autoencoder: pictures are encoded once, and mirrored latents are not those of mirrored pictures");
        check.That(Enum.IsDefined(options.Precision), "Precision", options.Precision, "a value of TrainingPrecision");
        check.That(Enum.IsDefined(options.UnreadableImages), "UnreadableImages", options.UnreadableImages, "a value of UnreadableImages");
        check.That(options.CacheMemory >= 0, "CacheMemory", options.CacheMemory, "at least 0 bytes");
        check.That(options.CacheFolder is null || Directory.Exists(options.CacheFolder), "CacheFolder", options.CacheFolder, "a folder that exists, or null for the system's temporary folder");
        check.NotNull(options.Tokenizer, "Tokenizer");
        check.Generation(options.Generation, "Generation", options.Diffusion);
        check.That(options.ColumnNames is null || options.Generation.NumberOfImageCandidates == 1, "Generation.NumberOfImageCandidates", options.Generation.NumberOfImageCandidates,
            "1 where ColumnNames lists a document's parts: prompts that are not one text have no caption to judge drawings by");
        // Longer documents are checked row by row; of a pair it is known before that there is an image.
        int patches = new TransfusionConfig { Image = ImageOf(options), Latents = LatentsOf(options) }.Grid.PatchCount, needed = SequenceBatch.LengthOf([], 0) + patches + 2;
        check.That(options.ColumnNames is not null || options.Transformer.MaxSequenceLength >= needed, "Transformer.MaxSequenceLength", options.Transformer.MaxSequenceLength,
            $"at least {needed}: one image of {patches} patches and four special tokens, and the text comes on top. Raise it, or take smaller images or larger patches");
    }

    private static void ValidateColumns(OptionChecks check, Options options)
    {
        if (options.ColumnNames is null)
        {
            check.Name(options.TextColumnName, "TextColumnName");
            check.Name(options.ImageColumnName, "ImageColumnName");
            check.Distinct([options.TextColumnName, options.ImageColumnName], "TextColumnName and ImageColumnName");
        }
        else
        {
            check.That(options.ColumnNames.Count > 0, "ColumnNames", "[]", "at least one column, or null for the caption and image pair");
            foreach (string name in options.ColumnNames)
                check.Name(name, "ColumnNames");
            check.Distinct(options.ColumnNames, "ColumnNames");
        }
        check.Name(options.GeneratedTextColumnName, "GeneratedTextColumnName");
        check.Name(options.GeneratedImageColumnName, "GeneratedImageColumnName");
        check.Name(options.GeneratedVectorColumnName, "GeneratedVectorColumnName");
        check.Name(options.ScoreColumnName, "ScoreColumnName");
        check.Distinct([options.GeneratedTextColumnName, options.GeneratedImageColumnName, options.GeneratedVectorColumnName, options.ScoreColumnName],
            "GeneratedTextColumnName, GeneratedImageColumnName, GeneratedVectorColumnName and ScoreColumnName");
        check.That(options.VectorPatchLength is not < 1, "VectorPatchLength", options.VectorPatchLength, "at least 1, or null");
    }

    private static void ValidateReports(OptionChecks check, Options options)
    {
        check.That(options.NumberOfValidationCaptions >= 0, "NumberOfValidationCaptions", options.NumberOfValidationCaptions, "at least 0");
        check.That(options.SampleInterval is not < 1, "SampleInterval", options.SampleInterval, "at least 1, or null");
        check.That(options.SampleInterval is null || options.Progress is not null || options.TensorBoardFolder is not null, "SampleInterval", options.SampleInterval,
            "null where there is neither Progress nor TensorBoardFolder: nobody would see the samples. Set one of them");
        check.That(options.NumberOfSamples >= 1, "NumberOfSamples", options.NumberOfSamples, "at least 1");
        check.That(options.TensorBoardFolder is null || !string.IsNullOrWhiteSpace(options.TensorBoardFolder), "TensorBoardFolder", "empty", "a folder, or null");
        check.That(!File.Exists(options.TensorBoardFolder), "TensorBoardFolder", options.TensorBoardFolder, "a folder; there is a file of that name");
    }

    private static void ValidateTransformer(OptionChecks check, TransformerConfig? transformer, ImageCodecConfig? image)
    {
        check.NotNull(transformer, "Transformer");
        check.NotNull(image, "Image");
        check.That(transformer.NumberOfLayers >= 1, "Transformer.NumberOfLayers", transformer.NumberOfLayers, "at least 1");
        check.That(transformer.NumberOfHeads >= 1, "Transformer.NumberOfHeads", transformer.NumberOfHeads, "at least 1");
        check.That(transformer.AttentionHeadSize is null || (transformer.HeadSize >= 2 && transformer.HeadSize % 2 == 0),
            "Transformer.AttentionHeadSize", transformer.AttentionHeadSize, "even and at least 2, or null");
        bool divides = transformer.HiddenSize % transformer.NumberOfHeads == 0 && transformer.HeadSize % 2 == 0;
        check.That(transformer.HiddenSize >= 2 && (divides || transformer.AttentionHeadSize is not null), "Transformer.HiddenSize", transformer.HiddenSize,
            $"an even multiple of NumberOfHeads ({transformer.NumberOfHeads}), such as "
            + $"{Math.Max(1, transformer.HiddenSize / (2 * transformer.NumberOfHeads)) * 2 * transformer.NumberOfHeads}: rotary positions turn pairs of a head's values");
        check.That(transformer.KeyValueHeads >= 1 && transformer.NumberOfHeads % transformer.KeyValueHeads == 0,
            "Transformer.NumberOfKeyValueHeads", transformer.NumberOfKeyValueHeads, $"a divisor of NumberOfHeads ({transformer.NumberOfHeads}), or null");
        check.That(transformer.FeedForward >= 1, "Transformer.FeedForwardSize", transformer.FeedForwardSize, "at least 1, or null");
        check.That(transformer.RopeTheta > 0, "Transformer.RopeTheta", transformer.RopeTheta, "above 0");
        if (transformer.RopeScaling is { } scaling)
        {
            check.Finite(scaling.Factor, "Transformer.RopeScaling.Factor", aboveZero: true);
            check.Finite(scaling.LowFrequencyFactor, "Transformer.RopeScaling.LowFrequencyFactor");
            check.That(scaling.HighFrequencyFactor > scaling.LowFrequencyFactor, "Transformer.RopeScaling.HighFrequencyFactor", scaling.HighFrequencyFactor,
                $"more than LowFrequencyFactor ({scaling.LowFrequencyFactor})");
            check.That(scaling.OriginalMaxSequenceLength >= 1, "Transformer.RopeScaling.OriginalMaxSequenceLength", scaling.OriginalMaxSequenceLength, "at least 1");
        }
        check.That(transformer.NormEpsilon > 0, "Transformer.NormEpsilon", transformer.NormEpsilon, "above 0");
        check.That(transformer.MaxSequenceLength >= 2, "Transformer.MaxSequenceLength", transformer.MaxSequenceLength, "at least 2");
    }

    private static void ValidateImage(OptionChecks check, ImageCodecConfig image, int factor)
    {
        check.That(image.PatchSize >= 1, "Image.PatchSize", image.PatchSize, "at least 1");
        int side = image.PatchSize * factor;
        string unit = factor == 1 ? $"PatchSize ({image.PatchSize})" : $"PatchSize ({image.PatchSize}) times the autoencoder's downsampling factor ({factor})";
        check.That(IsMultiple(image.ImageHeight), "Image.ImageHeight", image.ImageHeight, $"a multiple of {unit}, such as {Nearest(image.ImageHeight)}");
        check.That(IsMultiple(image.ImageWidth), "Image.ImageWidth", image.ImageWidth, $"a multiple of {unit}, such as {Nearest(image.ImageWidth)}");

        check.That(Enum.IsDefined(image.PatchEncoding), "Image.PatchEncoding", image.PatchEncoding, "a value of PatchEncoding");
        check.That(image.PatchEncoding == PatchEncoding.Linear || int.IsPow2(image.PatchSize), "Image.PatchSize", image.PatchSize, "1, 2, 4, 8 or another power of two, since a U-Net halves resolutions; or take PatchEncoding.Linear");
        check.That(image.PatchEncoding == PatchEncoding.Linear || (int.IsPow2(image.UNetPlaceSize) && image.UNetPlaceSize <= image.PatchSize), "Image.UNetPlaceSize", image.UNetPlaceSize, $"1, 2 or another power of two up to PatchSize ({image.PatchSize})");
        check.That(image.UNetChannels >= 1, "Image.UNetChannels", image.UNetChannels, "at least 1");
        check.That(image.UNetLayers >= 1, "Image.UNetLayers", image.UNetLayers, "at least 1");

        bool IsMultiple(int size) => size >= 1 && size % side == 0;
        int Nearest(int size) => Math.Max(1, size / side) * side;
    }

    private static void ValidateDiffusion(OptionChecks check, DiffusionConfig? diffusion)
    {
        check.NotNull(diffusion, "Diffusion");
        check.That(Enum.IsDefined(diffusion.Objective), "Diffusion.Objective", diffusion.Objective, "a value of DiffusionObjective");
        check.That(Enum.IsDefined(diffusion.Schedule), "Diffusion.Schedule", diffusion.Schedule, "a value of NoiseScheduleType");
        check.That(Enum.IsDefined(diffusion.Prediction), "Diffusion.Prediction", diffusion.Prediction, "a value of PredictionType");
        check.That(diffusion.LossTarget is not { } target || Enum.IsDefined(target), "Diffusion.LossTarget", diffusion.LossTarget, "a value of PredictionType, or null");
        check.That(Enum.IsDefined(diffusion.Timesteps), "Diffusion.Timesteps", diffusion.Timesteps, "a value of TimestepDistribution");
        check.That(double.IsFinite(diffusion.TimestepMean), "Diffusion.TimestepMean", diffusion.TimestepMean, "a finite number");
        check.Finite(diffusion.TimestepSpread, "Diffusion.TimestepSpread", aboveZero: true);
        check.That(diffusion.NumberOfTrainTimesteps >= 1, "Diffusion.NumberOfTrainTimesteps", diffusion.NumberOfTrainTimesteps, "at least 1");
        check.Finite(diffusion.DiffusionLossWeight, "Diffusion.DiffusionLossWeight");
        check.Share(diffusion.ImageFirstShare, "Diffusion.ImageFirstShare");
        check.Share(diffusion.CaptionFirstLanguageWeight, "Diffusion.CaptionFirstLanguageWeight");
        check.Share(diffusion.ConditionDropout, "Diffusion.ConditionDropout");
        check.That(diffusion.ImageFirstMaxTimestep >= 0, "Diffusion.ImageFirstMaxTimestep", diffusion.ImageFirstMaxTimestep, "at least 0");
        if (diffusion.Objective == DiffusionObjective.FlowMatching)
            ValidateFlow(check, diffusion);
        else
            ValidateSchedule(check, diffusion);
    }

    private static void ValidateFlow(OptionChecks check, DiffusionConfig diffusion)
    {
        const string Remedy = "with the objective FlowMatching; DiffusionConfig.Flow has it right";
        check.That(diffusion.Prediction == PredictionType.Velocity, "Diffusion.Prediction", diffusion.Prediction, $"Velocity {Remedy}");
        check.That(diffusion.LossTarget is null or PredictionType.Velocity, "Diffusion.LossTarget", diffusion.LossTarget, $"null {Remedy}");
        check.That(diffusion.Schedule == NoiseScheduleType.Cosine, "Diffusion.Schedule", diffusion.Schedule, $"left alone {Remedy}: its noise levels are evenly spaced");
        check.That(diffusion is { BetaStart: null, BetaEnd: null }, "Diffusion.BetaStart and Diffusion.BetaEnd", diffusion.BetaStart ?? diffusion.BetaEnd, $"null {Remedy}");
        check.That(!diffusion.ZeroTerminalSnr, "Diffusion.ZeroTerminalSnr", diffusion.ZeroTerminalSnr, $"false {Remedy}: it ends in pure noise as it is");
    }

    private static void ValidateSchedule(OptionChecks check, DiffusionConfig diffusion)
    {
        bool hasBetas = diffusion.Schedule != NoiseScheduleType.Cosine;
        check.That(diffusion.BetaStart is null || (hasBetas && diffusion.BetaStart is > 0 and < 1), "Diffusion.BetaStart", diffusion.BetaStart, "in (0, 1), or null; null with the schedule Cosine");
        check.That(diffusion.BetaEnd is null || (hasBetas && diffusion.BetaEnd is > 0 and < 1), "Diffusion.BetaEnd", diffusion.BetaEnd, "in (0, 1), or null; null with the schedule Cosine");
        check.That(!(diffusion.BetaStart > diffusion.BetaEnd), "Diffusion.BetaEnd", diffusion.BetaEnd, $"at least BetaStart ({diffusion.BetaStart})");
        check.That(!diffusion.ZeroTerminalSnr || diffusion.Prediction != PredictionType.Epsilon, "Diffusion.Prediction", diffusion.Prediction,
            "Velocity or Sample with ZeroTerminalSnr: the noise says nothing of an image that has no signal left");
    }

    private static void ValidateOptimizer(OptionChecks check, OptimizerConfig? optimizer)
    {
        check.NotNull(optimizer, "Optimizer");
        check.That(Enum.IsDefined(optimizer.Type), "Optimizer.Type", optimizer.Type, "a value of OptimizerType");
        check.Finite(optimizer.LearningRate, "Optimizer.LearningRate", aboveZero: true);
        check.Share(optimizer.FinalLearningRateRatio, "Optimizer.FinalLearningRateRatio");
        check.That(optimizer.WarmupSteps >= 0, "Optimizer.WarmupSteps", optimizer.WarmupSteps, "at least 0");
        check.That(optimizer.BatchSize >= 1, "Optimizer.BatchSize", optimizer.BatchSize, "at least 1");
        check.Decay(optimizer.Beta1, "Optimizer.Beta1");
        check.Decay(optimizer.Beta2, "Optimizer.Beta2");
        check.Decay(optimizer.EmaDecay, "Optimizer.EmaDecay");
        check.Finite(optimizer.Epsilon, "Optimizer.Epsilon", aboveZero: true);
        check.Finite(optimizer.WeightDecay, "Optimizer.WeightDecay");
        check.That(double.IsFinite(optimizer.ZLossWeight) && optimizer.ZLossWeight >= 0, "Optimizer.ZLossWeight", optimizer.ZLossWeight, "at least 0");
        check.Finite(optimizer.MaxGradientNorm, "Optimizer.MaxGradientNorm", aboveZero: true);
    }
}
