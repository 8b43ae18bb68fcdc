// devices: the same model and the same seeds on the GPU and on the CPU. What they give may differ by rounding alone.
using System.CommandLine;
using System.Diagnostics;
using Microsoft.ML.Transfusion.Torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal static class DevicesCommand
{
    private static readonly Option<int> Steps = TrainStepCommand.Number("--steps", "Training steps in 32 bit on either device.", 20);
    private static readonly Option<int> Rows = TrainStepCommand.Number("--rows", "Pictures to caption and captions to draw.", 16);

    public static System.CommandLine.Command Create()
    {
        var command = new System.CommandLine.Command("devices", "Compares training, scores, captions and drawings of the GPU with those of the CPU.") { Steps, Rows };
        command.SetAction(parsed =>
        {
            NativeTorch.Require();
            foreach (PatchEncoding encoding in Enum.GetValues<PatchEncoding>())
                Compare(encoding, parsed.GetValue(Steps), parsed.GetValue(Rows));
        });
        return command;
    }

    private static void Compare(PatchEncoding encoding, int steps, int rows)
    {
        string saved = Path.GetTempFileName();
        using TransfusionModel trained = Train(gpu: null, encoding, steps);
        using TransfusionModel trainedOnGpu = Train(gpu: 0, encoding, steps);
        trained.Save(saved);
        using TransfusionModel cpu = Load(saved, gpu: null), gpu = Load(saved, gpu: 0);
        File.Delete(saved);

        double training = Difference(Score(trained, rows), Score(trainedOnGpu, rows)), scores = Difference(Score(cpu, rows), Score(gpu, rows));
        var options = new GenerationOptions { Temperature = 0, MaxNewTokens = 16, NumberOfInferenceSteps = 20 };
        (string[] Captions, byte[][] Drawings, double Seconds) onCpu = Generate(cpu, rows, options), onGpu = Generate(gpu, rows, options);
        int pixels = onCpu.Drawings.Zip(onGpu.Drawings).Max(pair => pair.First.Zip(pair.Second).Max(each => Math.Abs(each.First - each.Second)));
        GenerationBench.PrintJson(new
        {
            encoding = encoding.ToString(),
            lossDifferenceAfterTraining = training,
            lossDifferenceOfOneModel = scores,
            captionsEqual = onCpu.Captions.Zip(onGpu.Captions).Count(pair => pair.First == pair.Second),
            captions = rows,
            largestPixelDifference = pixels,
            cpuSeconds = Math.Round(onCpu.Seconds, 2),
            gpuSeconds = Math.Round(onGpu.Seconds, 2),
        });
    }

    private static MLContext Context(int? gpu) => new(seed: 1) { GpuDeviceId = gpu };

    private static TransfusionModel Train(int? gpu, PatchEncoding encoding, int steps)
    {
        MLContext ml = Context(gpu);
        return ml.Generation.Trainers.Transfusion(new TransfusionTrainer.Options
        {
            Transformer = TransformerConfig.Tiny,
            Image = new ImageCodecConfig { ImageHeight = BriefModel.Side, ImageWidth = BriefModel.Side, PatchSize = 8, PatchEncoding = encoding, UNetChannels = 32 },
            Precision = TrainingPrecision.Float32,
            NumberOfSteps = steps,
            Seed = 1,
        }).Fit(ml.Data.LoadFromEnumerable(Enumerable.Range(0, BriefModel.Rows).Select(BriefModel.Row))).Model;
    }

    private static TransfusionModel Load(string path, int? gpu)
    {
        using FileStream stream = File.OpenRead(path);
        return TransfusionModel.Load(stream, gpu is { } id ? TorchSharp.torch.device($"cuda:{id}") : TorchSharp.torch.CPU);
    }

    private static double[] Score(TransfusionModel model, int rows) =>
    [
        .. Enumerable.Range(0, rows).SelectMany(row =>
        {
            TransfusionScore score = model.Score([new SequencePart.Text(BriefModel.Caption(row)), new SequencePart.Image(BriefModel.Picture(row))]);
            return (double[])[score.LanguageLoss, score.DiffusionLoss];
        }),
    ];

    private static double Difference(double[] a, double[] b) => a.Zip(b).Max(pair => Math.Abs(pair.First - pair.Second));

    private static (string[] Captions, byte[][] Drawings, double Seconds) Generate(TransfusionModel model, int rows, GenerationOptions options)
    {
        var clock = Stopwatch.StartNew();
        string[] captions = [.. Enumerable.Range(0, rows).Select(row => model.Caption(BriefModel.Picture(row), options))];
        byte[][] drawings = [.. Enumerable.Range(0, rows).Select(row => model.GenerateImage(BriefModel.Caption(row), options).Pixels.ToArray())];
        return (captions, drawings, clock.Elapsed.TotalSeconds);
    }
}
