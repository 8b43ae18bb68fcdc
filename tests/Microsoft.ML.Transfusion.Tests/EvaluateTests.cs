// ml.Generation.Evaluate: which columns it reads, which numbers come out, and what it says where it cannot.
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using Microsoft.ML.Transfusion.Data;
using Microsoft.ML.Transfusion.Tests.Data;

namespace Microsoft.ML.Transfusion.Tests;

public class EvaluateTests
{
    private readonly MLContext _ml = new(1);

    [Fact]
    public void Scored_data_of_a_trained_model_is_evaluated_without_drawing()
    {
        TransfusionMetrics metrics = _ml.Generation.Evaluate(TinyTraining.Transformer.Transform(TinyTraining.View(_ml, TinyTraining.Rows())));
        Assert.Equal((10, 10), (metrics.RowCount, metrics.CaptionCount));
        Assert.All([metrics.Bleu1, metrics.Bleu4, metrics.RougeL], score => Assert.InRange(score!.Value, 0, 1));
        Assert.InRange(metrics.Cider!.Value, 0, 10);
        Assert.Equal(Math.Exp(metrics.LanguageLoss!.Value), metrics.Perplexity!.Value, 1e-9);
        Assert.InRange(metrics.DiffusionLoss!.Value, 1e-6, 1e6);
        Assert.Null(metrics.FrechetDistance);
        // "no 0" is four bytes, and a token for each and the two around it.
        Assert.Equal(metrics.LanguageLoss.Value * metrics.TokenCount!.Value / Math.Log(2) / 40, metrics.BitsPerByte!.Value, 1e-9);
    }

    [Fact]
    public void Only_what_is_asked_for_is_computed()
    {
        var model = new CountingModel();
        var input = new WatchedView(TinyTraining.View(_ml, TinyTraining.Rows()));
        _ml.Generation.Evaluate(model.Transform(_ml, input));
        Assert.Equal([OutputKind.Text, OutputKind.Score], model.Calls.Select(call => call.Kind).Distinct());
        model.Calls.Clear();
        _ml.Generation.Evaluate(model.Transform(_ml, input), generatedTextColumnName: null);
        Assert.Equal([OutputKind.Score], model.Calls.Select(call => call.Kind).Distinct());
        model.Calls.Clear();
        _ml.Generation.Evaluate(model.Transform(_ml, input), new EvaluationOptions { LabelColumnName = null, ScoreColumnName = null, ImageFeatures = Corners });
        Assert.Equal([OutputKind.Image], model.Calls.Select(call => call.Kind).Distinct());
        Assert.DoesNotContain("Number", input.AskedFor);
        Assert.Equal(0, input.OpenCursors);
    }

    [Fact]
    public void Losses_weigh_each_token_the_same()
    {
        IDataView data = _ml.Data.LoadFromEnumerable(
        [
            new ScoredRow { Caption = "né", Score = [1, 2, 3] },
            new ScoredRow { Caption = "four", Score = [2, float.NaN, 1] },
            new ScoredRow { Caption = "", Score = [float.NaN, 4, 0] },
        ]);
        TransfusionMetrics metrics = _ml.Generation.Evaluate(data);
        Assert.Equal((3, 4L), (metrics.RowCount, metrics.TokenCount));
        Assert.Equal(1.25, metrics.LanguageLoss);
        Assert.Equal(Math.Exp(1.25), metrics.Perplexity!.Value, 1e-12);
        Assert.Equal(5 / Math.Log(2) / 7, metrics.BitsPerByte!.Value, 1e-12);
        Assert.Equal(3, metrics.DiffusionLoss);
        Assert.Null(metrics.CaptionCount);
        Assert.Null(metrics.Bleu1);
    }

    [Fact]
    public void Several_references_are_a_vector_or_several_rows()
    {
        IDataView vectors = _ml.Data.LoadFromEnumerable(
        [
            new VectorCaptionRow { Caption = ["a red dog runs", "a dog", ""], GeneratedText = "A red dog." },
            new VectorCaptionRow { Caption = ["two cats sleep", "cats in bed", "two cats"], GeneratedText = "two cats in a bed" },
            new VectorCaptionRow { Caption = ["", "", ""], GeneratedText = "no reference, so not counted" },
        ]);
        IDataView rows = _ml.Data.LoadFromEnumerable(
        [
            new { ImagePath = "1.png", Caption = "a red dog runs", GeneratedText = "A red dog." },
            new { ImagePath = "2.png", Caption = "two cats sleep", GeneratedText = "two cats in a bed" },
            new { ImagePath = "2.png", Caption = "cats in bed", GeneratedText = "another wording that is not judged" },
            new { ImagePath = "1.png", Caption = "a dog", GeneratedText = "nor this" },
            new { ImagePath = "2.png", Caption = "two cats", GeneratedText = "nor this" },
        ]);
        TransfusionMetrics expected = _ml.Generation.Evaluate(vectors);
        Assert.Equal(2, expected.CaptionCount);
        Assert.Equal(expected with { RowCount = 5 }, _ml.Generation.Evaluate(rows, new EvaluationOptions { RowGroupColumnName = "ImagePath" }));
        Assert.Equal(5, _ml.Generation.Evaluate(rows).CaptionCount);
    }

    [Fact]
    public void Frechet_distance_comes_from_pictures_columns_or_statistics_alike()
    {
        IDataView data = new CountingModel().Transform(_ml, TinyTraining.View(_ml, TinyTraining.Rows(12)));
        var pictures = new EvaluationOptions { ImageFeatures = Corners };
        double distance = _ml.Generation.Evaluate(data, pictures).FrechetDistance!.Value;
        List<float[]> real = [], drawn = [];
        foreach (PicturePair row in _ml.Data.CreateEnumerable<PicturePair>(data, reuseRowObject: false))
        {
            real.Add(Corners(row.Image!));
            drawn.Add(Corners(row.GeneratedImage!));
        }
        Assert.Equal(FeatureStatistics.Compute(real).FrechetDistance(FeatureStatistics.Compute(drawn)), distance, 1e-9);
        Assert.Equal(distance, _ml.Generation.Evaluate(data, pictures with { ReferenceStatistics = FeatureStatistics.Compute(real) }).FrechetDistance!.Value, 1e-9);
        IDataView columns = _ml.Data.LoadFromEnumerable(real.Zip(drawn, (a, b) => new FeatureRow { Real = a, Drawn = b }));
        var named = new EvaluationOptions { FeaturesColumnName = "Real", GeneratedFeaturesColumnName = "Drawn" };
        Assert.Equal(distance, _ml.Generation.Evaluate(columns, named).FrechetDistance!.Value, 1e-9);
        LeakCheck.Holds(() => _ml.Generation.Evaluate(columns, named), times: 3);
    }

    [Fact]
    public void Columns_that_do_not_fit_are_named_before_anything_is_computed()
    {
        var model = new CountingModel();
        IDataView data = model.Transform(_ml, TinyTraining.View(_ml, TinyTraining.Rows(3)));
        void Names<T>(string column, Func<TransfusionMetrics> evaluate) where T : Exception =>
            Assert.Contains(column, Assert.Throws<T>(evaluate).Message, StringComparison.Ordinal);
        Names<ArgumentOutOfRangeException>("'Reference'", () => _ml.Generation.Evaluate(data, "Reference"));
        Names<ArgumentOutOfRangeException>("'Number'", () => _ml.Generation.Evaluate(data, scoreColumnName: "Number"));
        Names<ArgumentOutOfRangeException>("'Image'", () => _ml.Generation.Evaluate(data, generatedTextColumnName: "Image"));
        Names<ArgumentOutOfRangeException>("'Number'", () => _ml.Generation.Evaluate(data, new EvaluationOptions { RowGroupColumnName = "Number" }));
        Names<ArgumentOutOfRangeException>("'Caption'", () => _ml.Generation.Evaluate(data, new EvaluationOptions { ImageFeatures = Corners, ImageColumnName = "Caption" }));
        Names<ArgumentException>("GeneratedFeaturesColumnName", () => _ml.Generation.Evaluate(data, new EvaluationOptions { ReferenceStatistics = FeatureStatistics.Compute([[1], [2]]) }));
        Names<ArgumentOutOfRangeException>("'Other'", () => _ml.Generation.Evaluate(_ml.Data.LoadFromEnumerable([new { Other = "a" }])));
        Assert.Throws<ArgumentNullException>(() => _ml.Generation.Evaluate(null!));
        Assert.Empty(model.Calls);
    }

    [Fact]
    public void Data_without_rows_or_with_one_picture_is_no_evaluation()
    {
        Assert.Throws<InvalidOperationException>(() => _ml.Generation.Evaluate(_ml.Data.LoadFromEnumerable<ScoredRow>([])));
        IDataView one = new CountingModel().Transform(_ml, TinyTraining.View(_ml, TinyTraining.Rows(1)));
        Assert.Contains("'Image'", Assert.Throws<InvalidOperationException>(() => _ml.Generation.Evaluate(one, new EvaluationOptions { ImageFeatures = Corners })).Message, StringComparison.Ordinal);
    }

    private static float[] Corners(MLImage image) => [image.Pixels[0], image.Pixels[^2], image.Pixels[image.Pixels.Length / 2]];

    private sealed class ScoredRow
    {
        public string? Caption { get; set; }

        [VectorType(3)]
        public float[]? Score { get; set; }
    }

    private sealed class VectorCaptionRow
    {
        [VectorType(3)]
        public string[]? Caption { get; set; }

        public string? GeneratedText { get; set; }
    }

    private sealed class PicturePair
    {
        [ImageType(8, 8)]
        public MLImage? Image { get; set; }

        [ImageType(8, 8)]
        public MLImage? GeneratedImage { get; set; }
    }

    private sealed class FeatureRow
    {
        [VectorType(3)]
        public float[]? Real { get; set; }

        [VectorType(3)]
        public float[]? Drawn { get; set; }
    }
}
