using Microsoft.ML.Data;

namespace Microsoft.ML.Transfusion.Tests;

public sealed class VectorColumnTests
{
    private readonly MLContext _ml = new(1);

    public class LooseRow
    {
        public string? Caption { get; set; }

        public float[]? Window { get; set; }
    }

    public class BothRow : PictureRow
    {
        [VectorType(4)]
        public float[]? Window { get; set; }
    }

    public class ShortRow
    {
        public string? Caption { get; set; }

        [VectorType(4)]
        public float[]? Window { get; set; }
    }

    [Fact]
    public void Rows_may_miss_text_or_vector_and_answers_are_missing_where_their_input_is()
    {
        List<WaveRow> rows = WaveVectors.Rows(6, seed: 3);
        rows[1].Caption = null;
        rows[2].Window = [.. Enumerable.Repeat(float.NaN, rows[2].Window!.Length)];
        using TransfusionTransformer trained = Train(rows);

        List<GeneratedWave> answers = [.. _ml.Data.CreateEnumerable<GeneratedWave>(trained.Transform(_ml.Data.LoadFromEnumerable(rows)), reuseRowObject: false)];

        Assert.All(answers[1].GeneratedVector!, value => Assert.True(float.IsNaN(value)));
        Assert.All(answers[0].GeneratedVector!, value => Assert.True(float.IsFinite(value)));
        Assert.Equal("", answers[2].GeneratedText ?? "");
        Assert.Equal([2, 48], ((VectorDataViewType)trained.GetOutputSchema(_ml.Data.LoadFromEnumerable(rows).Schema)["GeneratedVector"].Type).Dimensions.ToArray());
    }

    [Fact]
    public void The_model_answers_vectors_and_refuses_pictures_by_name()
    {
        using TransfusionTransformer trained = Train(WaveVectors.Rows(4, seed: 3));
        TransfusionModel model = trained.Model;

        Assert.Contains("trained on vectors of 2×48", Assert.Throws<InvalidOperationException>(() => model.GenerateImage("slow sine")).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => model.Caption(TinyTraining.Picture(1)));
        Assert.Throws<InvalidOperationException>(() => _ml.Transforms.CaptionImages("Text", model));
        Assert.Contains("needs 96 (2×48)", Assert.Throws<ArgumentException>(() => model.GenerateText([new SequencePart.Vector(new float[5])])).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => TinyTraining.Transformer.Model.GenerateVector([]));
        SequencePart[] parts = [.. model.Generate([new SequencePart.Text("slow sine")], WaveVectors.Options.Generation with { NumberOfInferenceSteps = 2, MaxNewTokens = 3 })];
        Assert.DoesNotContain(parts, part => part is SequencePart.Image);
    }

    [Fact]
    public void Shapes_that_cannot_be_learned_are_refused_before_reading()
    {
        Assert.Contains("vectors of any size", Error(new LooseRow { Caption = "a", Window = [1] }), StringComparison.Ordinal);
        Assert.Contains("a vector and an image", Error(new BothRow(), WaveVectors.Options with { ColumnNames = ["Caption", "Image", "Window"] }), StringComparison.Ordinal);
        Assert.Contains("must divide the vectors' last dimension, 48", Error(WaveVectors.Rows(1, 1)[0], WaveVectors.Options with { VectorPatchLength = 5 }), StringComparison.Ordinal);
        Assert.Contains("run backwards", Error(WaveVectors.Rows(1, 1)[0], WaveVectors.Options with { HorizontalFlip = true }), StringComparison.Ordinal);
        using TransfusionTransformer trained = Train(WaveVectors.Rows(4, seed: 3));
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => trained.Transform(_ml.Data.LoadFromEnumerable([new ShortRow()])));
        Assert.Contains("of size 2×48", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_value_that_is_no_number_names_its_row_and_place()
    {
        List<WaveRow> rows = WaveVectors.Rows(3, seed: 3);
        rows[2].Window![7] = float.NaN;
        var error = Assert.Throws<InvalidOperationException>(() => Train(rows));
        Assert.Contains("Row 2 of the training data", error.Message, StringComparison.Ordinal);
        Assert.Contains("Value 7 of the vector in column 'Window'", error.Message, StringComparison.Ordinal);
    }

    private TransfusionTransformer Train(List<WaveRow> rows) => _ml.Generation.Trainers.Transfusion(WaveVectors.Options with
    {
        NumberOfSteps = 2,
        Generation = WaveVectors.Options.Generation with { NumberOfInferenceSteps = 2 },
    }).Fit(_ml.Data.LoadFromEnumerable(rows));

    private string Error<T>(T row, TransfusionTrainer.Options? options = null)
        where T : class => Assert.ThrowsAny<ArgumentException>(() => _ml.Generation.Trainers.Transfusion(options ?? WaveVectors.Options).Fit(_ml.Data.LoadFromEnumerable([row]))).Message;
}
