// score: drawing a column through ML.NET's Transform against the façade's own batch call.
using System.CommandLine;
using Microsoft.ML.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal static class ScoreCommand
{
    private static readonly Option<int> Threads = GenerationBench.Threads;
    private static readonly Option<int> Rows = TrainStepCommand.Number("--rows", "Captions to draw.", 256);
    private static readonly Option<int> Steps = TrainStepCommand.Number("--steps", "Denoising steps of each.", 5);
    private static readonly Option<int> Rounds = TrainStepCommand.Number("--rounds", "Measurements of which the median is taken.", 5);

    public static System.CommandLine.Command Create()
    {
        var command = new System.CommandLine.Command("score", "Measures drawing a column through Transform against the façade's batch call.") { Threads, Rows, Steps, Rounds };
        command.SetAction(Run);
        return command;
    }

    private static void Run(ParseResult parsed)
    {
        int threads = parsed.GetValue(Threads), rows = parsed.GetValue(Rows), rounds = parsed.GetValue(Rounds);
        var ml = new MLContext(1);
        set_num_threads(threads);
        using TransfusionTransformer trained = BriefModel.Train(ml, TransformerConfig.Tiny);
        var options = new GenerationOptions { NumberOfInferenceSteps = parsed.GetValue(Steps) };
        string[] captions = [.. Enumerable.Range(0, rows).Select(BriefModel.Caption)];
        IDataView view = ml.Data.LoadFromEnumerable(captions.Select(caption => new CaptionedPicture { Caption = caption }));
        IDataView drawn = ml.Transforms.GenerateImages("Drawing", trained, "Caption", options, batchSize: rows).Fit(view).Transform(view);
        var clock = new StepClock(threads, isCuda: false);
        double[] times = clock.Medians(rounds, () =>
        {
            foreach (MLImage image in drawn.GetColumn<MLImage>("Drawing"))
                image.Dispose();
        }, () =>
        {
            foreach (Tensor pixels in trained.Model.GenerateImageBatch(captions, options, CancellationToken.None))
                pixels.Dispose();
        });
        Console.WriteLine($"{rows} drawings of {options.NumberOfInferenceSteps} steps: Transform {times[0]:F0} ms, the façade {times[1]:F0} ms; {threads} threads, {clock.Name}, median of {rounds}.");
        GenerationBench.PrintJson(new { stepMs = Math.Round(times[0], 2), floorMs = Math.Round(times[1], 2), ratio = Math.Round(times[0] / times[1], 4), rows, threads, device = "cpu" });
    }
}
