// TrainingApp --step ENCODING MODEL: one step in bfloat16 on one thread, over documents of one length, and saves the model.
using TorchSharp;

namespace Microsoft.ML.Transfusion.Tests;

public static class OneStep
{
    public const string Option = "--step";
    public const int Documents = 6;
    public const string Caption = "a picture of many things";

    public static int Run(PatchEncoding encoding, string path)
    {
        torch.set_num_threads(1);
        var ml = new MLContext();
        using TransfusionTransformer model = ml.Generation.Trainers.Transfusion(new TransfusionTrainer.Options
        {
            Transformer = new TransformerConfig { HiddenSize = 128, NumberOfLayers = 3, NumberOfHeads = 4, NumberOfKeyValueHeads = 2, MaxSequenceLength = 128 },
            Image = new ImageCodecConfig { ImageHeight = 32, ImageWidth = 32, PatchSize = 8, PatchEncoding = encoding, UNetPlaceSize = 2, UNetChannels = 32, UNetLayers = 2 },
            Tokenizer = TokenizerConfig.TrainOnText(300),
            Diffusion = new DiffusionConfig { ImageFirstShare = 0, ConditionDropout = 0 },
            Optimizer = new OptimizerConfig { BatchSize = Documents },              // AdamW, which multiplies no matrices
            Precision = TrainingPrecision.BFloat16,
            NumberOfSteps = 1,
            Seed = 1,
        }).Fit(ml.Data.LoadFromEnumerable(Enumerable.Range(0, Documents).Select(number => TrainingApp.Row.Of(number, Caption))));
        model.Model.Save(path);
        return 0;
    }
}
