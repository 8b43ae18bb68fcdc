// TrainingApp MODEL [FOLDER]: trains a small model, always the same one, and saves it. With a folder it keeps checkpoints there and continues
// from them, however often it is killed.
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using TorchSharp;

namespace Microsoft.ML.Transfusion.Tests;

public static class TrainingApp
{
    public const int Steps = 400;
    public const int StepsBetweenCheckpoints = 2;

    public static int Main(string[] args)
    {
        if (args[0] == OneStep.Option)
            return OneStep.Run(args[1], args[2]);
        torch.set_num_threads(2);                                  // a replica for each row of a batch; how sums are split over threads decides their last bits
        string? folder = args.Length > 1 ? args[1] : null;
        var ml = new MLContext();
        var options = new TransfusionTrainer.Options
        {
            Transformer = new TransformerConfig { HiddenSize = 96, NumberOfLayers = 2, NumberOfHeads = 2, MaxSequenceLength = 64 },
            Image = new ImageCodecConfig { ImageHeight = 8, ImageWidth = 8, PatchSize = 4 },
            Tokenizer = TokenizerConfig.TrainOnText(300),
            Optimizer = OptimizerConfig.Minutes with { BatchSize = 2, WarmupSteps = 10 },
            NumberOfSteps = Steps,
            Seed = 7,
            Precision = TrainingPrecision.Float32,
            HorizontalFlip = true,
            CheckpointFolder = folder,
            CheckpointInterval = StepsBetweenCheckpoints,
            ResumeFrom = folder,
        };
        using TransfusionTransformer model = ml.Generation.Trainers.Transfusion(options).Fit(ml.Data.LoadFromEnumerable(Enumerable.Range(0, 10).Select(Row.Of)));
        model.Model.Save(args[0]);
        return 0;
    }

    public sealed class Row
    {
        public string? Caption { get; set; }

        [ImageType(8, 8)]
        public MLImage? Image { get; set; }

        public static Row Of(int number) => Of(number, $"picture {number}");

        public static Row Of(int number, string caption)
        {
            byte[] pixels = [.. Enumerable.Range(0, 8 * 8 * 4).Select(i => i % 4 == 3 ? (byte)255 : (byte)(i * (number + 1)))];
            return new Row { Caption = caption, Image = MLImage.CreateFromPixels(8, 8, MLPixelFormat.Rgba32, pixels) };
        }
    }
}
