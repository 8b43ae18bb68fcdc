// How drawing depends on the sampler, its number of steps and the guidance: the share of held-out captions that a trained model draws right,
// and one caption drawn in each way. Writes samplers.json and samplers.png.
using System.Diagnostics;
using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion;
using Samples.Common;
using Shapes.Data;

namespace Shapes;

/// <summary>One way to draw, and how well it did. Shares are fractions in [0, 1].</summary>
internal sealed record SamplerResult(string Sampler, int Steps, double GuidanceScale, double DrawnCorrectly, int Drawings, double MillisecondsPerDrawing);

internal static class SamplerComparison
{
    private const int PicturedPrompt = 1;
    private static readonly int[] Steps = [5, 10, 20, 50];
    private static readonly double[] Scales = [1, 1.5, 2, 3, 5];
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public static void Run(MLContext ml, TransfusionModel model, RunSettings settings, int count)
    {
        List<SamplerResult> results = [];
        List<CaptionedPicture> pictures = [];
        foreach (double scale in Scales)
            foreach (int steps in Steps)
                Measure(ShapesTraining.Generation with { NumberOfInferenceSteps = steps, GuidanceScale = scale, NumberOfImageCandidates = 1 });
        Measure(GenerationOptions.Paper with { GuidanceScale = ShapesTraining.Generation.GuidanceScale });
        PictureGrid.Save(settings["samplers.png"], pictures, Steps.Length);
        File.WriteAllText(settings["samplers.json"], JsonSerializer.Serialize(results, Format) + Environment.NewLine);

        void Measure(GenerationOptions options)
        {
            string name = options.Sampler == DiffusionSamplerType.Auto ? "DPM-Solver++" : options.Sampler.ToString();
            Stopwatch watch = Stopwatch.StartNew();
            var drawings = Evaluation.Draw(ml, model, count, settings.Seed, options);
            SamplerResult result = new(name, options.NumberOfInferenceSteps, options.GuidanceScale,
                drawings.Select(drawing => drawing.Judgement).Share(), drawings.Count, watch.Elapsed.TotalMilliseconds / drawings.Count);
            results.Add(result);
            (CaptionedPicture drawn, _) = drawings[PicturedPrompt];
            if (pictures.Count == 0)
                Console.WriteLine($"Pictured: {drawn.Caption}");
            pictures.Add(drawn with { Caption = $"{name} {result.Steps} steps guidance {result.GuidanceScale}" });
            Console.WriteLine($"{name,-12} {result.Steps,4} steps, guidance {result.GuidanceScale,3}: {result.DrawnCorrectly,6:P1} of {result.Drawings}, {result.MillisecondsPerDrawing:F0} ms each");
            foreach ((CaptionedPicture other, _) in drawings.Where(drawing => drawing.Drawing != drawn))
                other.Picture.Dispose();
        }
    }
}
