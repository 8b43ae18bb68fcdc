// The data that experiments learn from and are judged on: the shapes that this repository draws, or any folder of captioned pictures.
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using Microsoft.ML.Transfusion;
using Shapes;
using Shapes.Data;

namespace Experiments;

/// <summary>A picture and its caption; either may be missing.</summary>
internal sealed class Pair
{
    [ImageType(ExperimentData.Side, ExperimentData.Side)]
    public MLImage? Image { get; set; }

    public string Caption { get; set; } = "";
}

internal abstract class ExperimentData
{
    public const string Shapes = "shapes";
    public const int Side = 32;

    /// <summary>Rows to judge a model by.</summary>
    protected const int HeldOutCount = 300;

    public static ExperimentData Open(string name) => name == Shapes ? new DrawnShapes() : new PictureFolder(name);

    /// <summary>So many rows to learn from, or all there are.</summary>
    public abstract IEnumerable<Pair> Training(int count, int seed);

    /// <summary>Rows that no run learns from; the same for all.</summary>
    public abstract IEnumerable<Pair> HeldOut();

    /// <summary>Whether a generated caption says what the other says.</summary>
    public abstract bool Agrees(string generated, string truth);

    /// <summary>Whether a picture shows what a caption says; null where nobody can tell.</summary>
    public abstract bool? Shows(MLImage picture, string caption);

    /// <summary>The share of captions whose drawing shows what they say; null where nobody can tell.</summary>
    public abstract double? DrawnCorrectly(MLContext ml, TransfusionModel model, GenerationOptions options);

    private sealed class DrawnShapes : ExperimentData
    {
        private const int HeldOutSeed = 1_000_003;

        public override IEnumerable<Pair> Training(int count, int seed) => Rows(CaptionedShape.Sample(count, seed, heldOut: false));

        public override IEnumerable<Pair> HeldOut() => Rows(CaptionedShape.Sample(HeldOutCount, HeldOutSeed, heldOut: true));

        public override bool Agrees(string generated, string truth) => Caption.Parse(generated) == Caption.Parse(truth);

        public override bool? Shows(MLImage picture, string caption) => Oracle.Read(Pictures.ToRgb(picture)) == Caption.Parse(caption);

        public override double? DrawnCorrectly(MLContext ml, TransfusionModel model, GenerationOptions options) =>
            Evaluation.Draw(ml, model, HeldOutCount, HeldOutSeed, options).Select(drawing => drawing.Judgement).Share();

        private static IEnumerable<Pair> Rows(IEnumerable<CaptionedShape> shapes) => shapes.Select(shape => new Pair { Image = shape.Image, Caption = shape.Caption });
    }

    /// <summary>A folder as LoadCaptionedImages reads it; every tenth picture is held out.</summary>
    private sealed class PictureFolder(string folder) : ExperimentData
    {
        private const int HeldOutShare = 10;

        public override IEnumerable<Pair> Training(int count, int seed)
        {
            Entry[] entries = [.. Entries().Index().Where(entry => entry.Index % HeldOutShare != 0).Select(entry => entry.Item)];
            new Random(seed).Shuffle(entries);
            return entries.Take(count).Select(Read);
        }

        public override IEnumerable<Pair> HeldOut()
        {
            Entry[] entries = [.. Entries().Index().Where(entry => entry.Index % HeldOutShare == 0).Select(entry => entry.Item)];
            new Random(0).Shuffle(entries);
            return entries.Take(HeldOutCount).Select(Read);
        }

        public override bool Agrees(string generated, string truth) => generated == truth;

        public override bool? Shows(MLImage picture, string caption) => null;

        public override double? DrawnCorrectly(MLContext ml, TransfusionModel model, GenerationOptions options) => null;

        private IEnumerable<Entry> Entries()
        {
            var ml = new MLContext();
            return ml.Data.CreateEnumerable<Entry>(ml.Generation.LoadCaptionedImages(folder), reuseRowObject: false);
        }

        private static Pair Read(Entry entry) => new() { Image = MLImage.CreateFromFile(entry.ImagePath), Caption = entry.Caption };

        private sealed class Entry
        {
            public string ImagePath { get; set; } = "";

            public string Caption { get; set; } = "";
        }
    }
}
