// What the model makes of compositions it never saw: it captions pictures of them, judged by the grammar, and draws them, judged by the oracle.
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion;
using Samples.Common;
using Shapes.Data;

namespace Shapes;

/// <summary>One judged answer: a caption of a picture, or a drawing of a caption.</summary>
internal sealed record Judgement(bool Right, bool OneObject);

internal static class Evaluation
{
    private const string DrawingColumn = "Drawing";

    /// <summary>Captions held-out pictures. Right is a caption that means what the picture shows, in either wording.</summary>
    public static IReadOnlyList<Judgement> Caption(MLContext ml, TransfusionTransformer model, int count, int seed)
    {
        IDataView pictures = ml.Data.LoadFromEnumerable(CaptionedShape.Sample(count, seed, heldOut: true));
        IDataView captioned = model.Transform(pictures);
        return [.. captioned.GetColumn<string>("Caption").Zip(captioned.GetColumn<string>("GeneratedText"), (truth, generated) =>
        {
            Composition shown = Data.Caption.Parse(truth)!.Value;
            return new Judgement(Data.Caption.Parse(generated) == shown, shown.Second is null);
        })];
    }

    /// <summary>Draws held-out captions. Right is a drawing in which the oracle reads what the caption says.</summary>
    public static IReadOnlyList<(CaptionedPicture Drawing, Judgement Judgement)> Draw(MLContext ml, TransfusionModel model, int count, int seed, GenerationOptions options)
    {
        List<(CaptionedPicture, Judgement)> drawings = [];
        // One caption and one seed always give the same drawing, so a caption that comes up again is drawn with the next seed.
        var rounds = Captions(count, seed).GroupBy(caption => caption)
            .SelectMany(captions => captions.Index())
            .GroupBy(entry => entry.Index, entry => new CaptionedShape { Caption = entry.Item });
        foreach (IGrouping<int, CaptionedShape> round in rounds)
        {
            IDataView captions = ml.Data.LoadFromEnumerable(round);
            GenerationOptions seeded = options with { Seed = seed + round.Key };
            IDataView drawn = ml.Transforms.GenerateImages(DrawingColumn, model, nameof(CaptionedShape.Caption), seeded, batchSize: 128).Fit(captions).Transform(captions);
            drawings.AddRange(drawn.GetColumn<MLImage>(DrawingColumn).Zip(round, (picture, row) => Judge(picture, row.Caption)));
        }
        return drawings;
    }

    /// <summary>The share of right answers.</summary>
    public static double Share(this IEnumerable<Judgement> judgements) => judgements.Average(judgement => judgement.Right ? 1.0 : 0.0);

    private static (CaptionedPicture, Judgement) Judge(MLImage picture, string caption)
    {
        Composition asked = Data.Caption.Parse(caption)!.Value;
        bool right = Oracle.Read(Pictures.ToRgb(picture)) == asked;
        return (new CaptionedPicture(picture, caption, right), new Judgement(right, asked.Second is null));
    }

    private static IEnumerable<string> Captions(int count, int seed)
    {
        Random random = new(seed);
        for (int number = 0; number < count; number++)
            yield return Data.Caption.Write(SceneSampler.Next(random, heldOut: true).Composition, random);
    }
}
