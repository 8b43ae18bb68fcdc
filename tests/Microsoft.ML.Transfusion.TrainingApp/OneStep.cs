// TrainingApp --step KIND MODEL: one step in bfloat16 on one thread, over documents of one length, and saves the model. A kind is a patch encoding, or codes.
using TorchSharp;

namespace Microsoft.ML.Transfusion.Tests;

public static class OneStep
{
    public const string Option = "--step";
    public const int Documents = 6;
    public const string Caption = "a picture of many things";

    public const string Codes = "Codes";

    public static int Run(string kind, string path)
    {
        torch.set_num_threads(1);
        var ml = new MLContext();
        IDataView rows = ml.Data.LoadFromEnumerable(Enumerable.Range(0, Documents).Select(number => TrainingApp.Row.Of(number, Caption)));
        using ImageAutoencoder? autoencoder = kind != Codes ? null : ml.Generation.Trainers.ImageAutoencoder(new ImageAutoencoderTrainer.Options
        {
            Autoencoder = new AutoencoderConfig { BlockChannels = [8, 8, 8], NumberOfGroups = 4, NumberOfCodes = 64 },
            PerceptualWeight = 0,
            AdversarialWeight = 0,
            NumberOfSteps = 1,
            Seed = 1,
        }).Fit(rows).Autoencoder;
        using TransfusionTransformer model = ml.Generation.Trainers.Transfusion(new TransfusionTrainer.Options
        {
            Transformer = new TransformerConfig { HiddenSize = 128, NumberOfLayers = 3, NumberOfHeads = 4, NumberOfKeyValueHeads = 2, MaxSequenceLength = 128 },
            Image = new ImageCodecConfig { ImageHeight = 32, ImageWidth = 32, PatchSize = 8, PatchEncoding = kind == Codes ? PatchEncoding.Linear : Enum.Parse<PatchEncoding>(kind), UNetPlaceSize = 2, UNetChannels = 32, UNetLayers = 2 },
            ImageObjective = kind == Codes ? ImageObjective.DiscreteTokens : ImageObjective.Diffusion,
            Autoencoder = autoencoder,
            Tokenizer = TokenizerConfig.TrainOnText(300),
            Diffusion = new DiffusionConfig { ImageFirstShare = 0, ConditionDropout = 0 },
            Optimizer = new OptimizerConfig { BatchSize = Documents },              // AdamW, which multiplies no matrices
            Precision = TrainingPrecision.BFloat16,
            NumberOfSteps = 1,
            Seed = 1,
        }).Fit(rows);
        model.Model.Save(path);
        return 0;
    }
}
